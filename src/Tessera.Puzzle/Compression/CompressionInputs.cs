using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Compression;

/// <summary>Model and data of a compression.</summary>
public sealed record CompressionInputs
{
    /// <summary>The parent.</summary>
    public required ParentModel Parent { get; init; }

    /// <summary>Hash of the parent's files.</summary>
    public required string ParentHash { get; init; }

    /// <summary>Folder whose tokenizer files go along with the child.</summary>
    public required string ParentFolder { get; init; }

    /// <summary>Hash of the data and of how it is drawn.</summary>
    public required string DataHash { get; init; }

    /// <summary>Batches for channel scores and blockwise distillation.</summary>
    public required IReadOnlyList<PackedBatch> Calibration { get; init; }

    /// <summary>Batches for replace-one-block scores; not in <see cref="Calibration"/>.</summary>
    public required IReadOnlyList<PackedBatch> Scoring { get; init; }

    /// <summary>Problems of the task whose answers are scored, their answers alone weighted; empty where none are.</summary>
    public IReadOnlyList<PackedBatch> Answers { get; init; } = [];

    /// <summary>Batches neither trained nor scored on, for realised KL and validation.</summary>
    public required IReadOnlyList<PackedBatch> HeldOut { get; init; }

    /// <summary>Documents of the healing; null where nothing is healed.</summary>
    public IDocumentSource? Documents { get; init; }

    /// <summary>Task accuracy of a model in the scenario's storage type, or null where there are no tasks.</summary>
    public Func<Decoder, AccuracyResult>? Accuracy { get; init; }

    /// <summary>Data of the healing that not every run has.</summary>
    public HealingData Healing { get; init; } = new();
}
