using System.Text.Json.Serialization;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Costs;

/// <summary>What a half of a layer costs; all zero for an absent half.</summary>
/// <param name="Label">The variant, for instance <c>kv2</c> or <c>ffn128</c>.</param>
/// <param name="Parameters">Weights, norm included.</param>
/// <param name="WeightBytes">In the scenario's storage type; gains are f32.</param>
/// <param name="KvBytesPerToken">Cache bytes a token.</param>
/// <param name="PrefillSeconds">For the scenario's prompts.</param>
/// <param name="DecodeSeconds">For one generation step.</param>
/// <param name="DecodeSpread">Half the interquartile range of the decode time's samples.</param>
public sealed record VariantCost(
    string Label, long Parameters, long WeightBytes, long KvBytesPerToken, double PrefillSeconds, double DecodeSeconds,
    double DecodeSpread)
{
    /// <summary>An absent half.</summary>
    public static VariantCost None(string label) => new(label, 0, 0, 0, 0, 0, 0);
}

/// <summary>
/// Costs of every distinct half and of what is outside the layers, for one scenario on one machine: measured there, or predicted
/// by a <see cref="Roofline"/>. A recorded input: written once, reused on resume.
/// </summary>
public sealed record CostTable
{
    /// <summary>What the scenario is called where there are several; null where it has no name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>Whether the times come from a model of the machine and not from a clock.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    [JsonPropertyName("predicted")]
    public bool IsPredicted { get; init; }

    /// <summary>The scenario.</summary>
    public required ServingScenario Scenario { get; init; }

    /// <summary>Processor and runtime the times hold for.</summary>
    public required string Machine { get; init; }

    /// <summary>Mixers by label.</summary>
    public required IReadOnlyDictionary<string, VariantCost> Mixers { get; init; }

    /// <summary>Feed-forwards by label.</summary>
    public required IReadOnlyDictionary<string, VariantCost> FeedForwards { get; init; }

    /// <summary>Embedding, final norm and head.</summary>
    public required VariantCost Base { get; init; }

    /// <summary>Samples behind every time; 0 where it is predicted.</summary>
    public required int Rounds { get; init; }

    /// <summary>Checks that the table was measured for a model's shape in a scenario.</summary>
    /// <exception cref="InvalidDataException">It was not.</exception>
    public void EnsureFits(ModelConfiguration model, ServingScenario scenario)
    {
        if (Scenario != scenario)
        {
            throw new InvalidDataException($"the cost table was measured for {Scenario.Label}, asked for is {scenario.Label}");
        }

        var bare = model with { Layers = [] };
        bool fits = Base.Parameters == bare.ParameterCount;
        foreach (var layer in model.Layers)
        {
            var single = model with { Layers = [layer] };
            fits &= Mixers.TryGetValue(layer.Mixer.ToString(), out var mixer) && mixer.Parameters == single.MixerParameterCount(0);
            fits &= FeedForwards.TryGetValue(layer.FeedForward.ToString(), out var ffn)
                && ffn.Parameters == single.FeedForwardParameterCount(0);
        }

        if (!fits)
        {
            throw new InvalidDataException("the cost table was measured for a model of another shape");
        }
    }
}
