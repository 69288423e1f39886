namespace Tessera.Runs;

/// <summary>What a <see cref="ProgressReporter"/> counts and how it shows it.</summary>
public sealed record ProgressOptions
{
    /// <summary>What is going on, the line's beginning.</summary>
    public required string Label { get; init; }

    /// <summary>What is counted, in the plural: <c>steps</c>, <c>tokens</c>.</summary>
    public required string Unit { get; init; }

    /// <summary>Units in all; null if unknown.</summary>
    public long? Total { get; init; }

    /// <summary>Units that an earlier run has done; they do not count in the rate.</summary>
    public long Done { get; init; }

    /// <summary>Show nothing.</summary>
    public bool Quiet { get; init; }

    /// <summary>Redraw one line instead of writing new ones; by default whether standard error is a terminal.</summary>
    public bool Terminal { get; init; } = !Console.IsErrorRedirected;
}
