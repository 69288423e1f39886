using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>What to search in tables.</summary>
public sealed record TableSearchSettings
{
    /// <summary>Limits; they hold in every scenario that they do not leave out.</summary>
    public IReadOnlyList<Target> Targets { get; init; } = [];

    /// <summary>Share by which limits of time are tightened.</summary>
    public double Margin { get; init; }

    /// <summary>Which variants may be chosen.</summary>
    public VariantFilter Filter { get; init; } = VariantFilter.None;

    /// <summary>The scenarios to serve; empty for all.</summary>
    public IReadOnlyList<string> Scenarios { get; init; } = [];

    /// <summary>The batches to try, one solve each; empty for all that the tables hold.</summary>
    public IReadOnlyList<int> Batches { get; init; } = [];

    /// <summary>What is minimised over scenarios.</summary>
    public ScoreObjective Objective { get; init; }

    /// <summary>How many solutions to find.</summary>
    public int Solutions { get; init; } = 1;

    /// <summary>Share of the layers in which each further solution differs from every earlier one.</summary>
    public double Difference { get; init; } = 0.2;

    /// <summary>A target to take through a row of values; null for none.</summary>
    public SweepRange? Sweep { get; init; }

    /// <summary>When each solve may stop, and which program solves.</summary>
    public SearchOptions Options { get; init; } = new();
}
