using System.Text.Json.Serialization;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Fusion;

/// <summary>Everything that decides a fusion besides model and data.</summary>
/// <param name="Runs">Which layers are fused.</param>
/// <param name="Scenario">The load that before and after are timed in.</param>
/// <param name="Rounds">Samples of the times.</param>
/// <param name="Healing">The distillation from the model as it was.</param>
public sealed record FusionSettings(FusionRunSettings Runs, ServingScenario Scenario, int Rounds, HealingSettings Healing);

/// <summary>What a fusion of a whole model came to.</summary>
public sealed record FusionResult
{
    /// <summary>The load.</summary>
    public required ServingScenario Scenario { get; init; }

    /// <summary>Before and after, nothing healed.</summary>
    public required FusionComparison Fusion { get; init; }

    /// <summary>Steps of the healing.</summary>
    public required int HealingSteps { get; init; }

    /// <summary>KL(model as it was ‖ written child) on held-out documents; null without data.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Estimate? ChildDivergence { get; init; }

    /// <summary>Phases of the healing and the comparison by position; null where neither was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HealingFindings? Healing { get; init; }

    /// <summary>Right answers of the written child.</summary>
    public int ChildCorrect { get; init; }

    /// <summary>Folder of the written child, below the run's.</summary>
    public required string ChildFolder { get; init; }
}
