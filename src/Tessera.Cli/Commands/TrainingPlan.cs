using Tessera.Cli.Data;
using Tessera.Models.Tokenizers;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary>What sets one trainer apart from another: the loss, the data, and what goes with the written model.</summary>
internal sealed record TrainingPlan
{
    public required ObjectiveWeights Weights { get; init; }

    /// <summary>Makes training and validation data.</summary>
    public required Func<TrainingContext, TrainingData> Data { get; init; }

    /// <summary>What decides the course of the run besides the options, by name.</summary>
    public IEnumerable<KeyValuePair<string, string>> Identity { get; init; } = [];

    /// <summary>Folder of the teacher, or null.</summary>
    public string? Teacher { get; init; }

    /// <summary>For every student layer the teacher layer it is compared with; null for the identity.</summary>
    public IReadOnlyList<int>? LayerMap { get; init; }

    /// <summary>Called with the run's folder when the model is written there, before its configuration makes it complete; or null.</summary>
    public Action<string>? WithModel { get; init; }
}

/// <summary>What data is made from.</summary>
/// <param name="Model">The model to be trained.</param>
/// <param name="Tokenizer">Its tokenizer.</param>
/// <param name="Shape">Sizes of batches.</param>
/// <param name="Seed">The run's seed.</param>
internal sealed record TrainingContext(ModelSource Model, Tokenizer Tokenizer, TrainingShape Shape, ulong Seed);
