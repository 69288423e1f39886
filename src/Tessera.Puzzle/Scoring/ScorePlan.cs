using Tessera.Devices;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Scoring;

/// <summary>The parent's states beside those of a child.</summary>
/// <param name="States">The states.</param>
/// <param name="Jobs">Their jobs, in a folder of their own.</param>
public sealed record ScoreReference(ParentStates States, JobFolder Jobs);

/// <summary>What a table of scores is computed from.</summary>
/// <param name="Device">Where to compute.</param>
/// <param name="States">States on the scoring batches of the model whose layers are replaced.</param>
/// <param name="Library">Complete.</param>
/// <param name="Variants">Variants of every layer, the parent's own first.</param>
/// <param name="Memory">How much may be in memory at a time.</param>
public sealed record ScorePlan(
    Device Device, ParentStates States, BlockLibrary Library, IReadOnlyList<IReadOnlyList<BlockVariant>> Variants, StreamingMemory Memory)
{
    /// <summary>The score that is asked for; all that a passage gives are recorded.</summary>
    public ScoreKind Kind { get; init; } = ScoreKind.Divergence;

    /// <summary>Whether the tokens with weight are answers, whose probability is scored.</summary>
    public bool WithAnswers => Kind.TaskName is not null;

    /// <summary>When scoring may end early; null for never.</summary>
    public RacingSettings? Racing { get; init; }

    /// <summary>What a race needs to know of every variant; null where there is none.</summary>
    public IReadOnlyList<IReadOnlyList<RaceEntry>>? Entries { get; init; }

    /// <summary>The parent's states, of which the last depth is read, where the model is a child; null where it is the parent.</summary>
    public ScoreReference? Reference { get; init; }

    /// <summary>The child's variant of every layer; null where the model is the parent.</summary>
    public IReadOnlyList<int>? Child { get; init; }

    /// <summary>What the model itself loses to the parent.</summary>
    public BlockScore OwnScore { get; init; } = BlockScore.OfParent;

    /// <summary>Index of the model's own variant in a layer.</summary>
    public int Own(int layer) => Child?[layer] ?? 0;
}
