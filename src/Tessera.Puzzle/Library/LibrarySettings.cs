using Tessera.Devices;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Library;

/// <summary>How a library is made, besides length and rate of its distillations.</summary>
public sealed record LibrarySettings
{
    /// <summary>What is trained together.</summary>
    public DistillationMode Mode { get; init; }

    /// <summary>Hybrid: solutions whose halves are paired, the best and those that differ from it.</summary>
    public int Solutions { get; init; } = 4;

    /// <summary>Hybrid: share of the layers in which each further solution differs from every earlier one.</summary>
    public double Difference { get; init; } = 0.2;

    /// <summary>Hybrid: a row of limits whose solutions count as well; null for none.</summary>
    public SweepRange? Sweep { get; init; }

    /// <summary>Rounds in which channels are cut, with their contributions measured again after each; 1 measures once.</summary>
    public int PruneRounds { get; init; } = 1;

    /// <summary>
    /// How the library's hidden states lie on the disk: bf16 takes half of what f32 does. A device that stores activations in bf16 has
    /// bf16 in any case.
    /// </summary>
    public DType States { get; init; } = DType.F32;

    /// <summary>What decides the halves, for their stage's hash; only where it differs from what was before there was a choice.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        .. PruneRounds == 1 ? [] : ((string, string)[])[("prune-rounds", FormattableString.Invariant($"{PruneRounds}"))],
        .. States == DType.F32 ? [] : ((string, string)[])[("states", States.Label())],
    ];

    /// <summary>What decides which pairs are trained.</summary>
    internal IEnumerable<(string Name, string Value)> SelectionIdentity =>
    [
        ("solutions", FormattableString.Invariant($"{Solutions}")), ("difference", FormattableString.Invariant($"{Difference}")),
        ("sweep", Sweep?.Text ?? "none"),
    ];
}
