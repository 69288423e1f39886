namespace Tessera.Puzzle.Targets;

/// <summary>Amounts of every limited quantity in one load.</summary>
/// <param name="MemoryBytes">Weights plus the load's keys and values.</param>
/// <param name="Parameters">Weights.</param>
/// <param name="PrefillSeconds">The load's prompts.</param>
/// <param name="DecodeSeconds">One generation step.</param>
/// <param name="RunSeconds">The whole load.</param>
/// <param name="KvBytes">The load's keys and values.</param>
public readonly record struct Amounts(
    double MemoryBytes, double Parameters, double PrefillSeconds, double DecodeSeconds, double RunSeconds, double KvBytes)
{
    /// <summary>Sum.</summary>
    public static Amounts operator +(Amounts left, Amounts right) => new(
        left.MemoryBytes + right.MemoryBytes, left.Parameters + right.Parameters, left.PrefillSeconds + right.PrefillSeconds,
        left.DecodeSeconds + right.DecodeSeconds, left.RunSeconds + right.RunSeconds, left.KvBytes + right.KvBytes);

    /// <summary>Sum.</summary>
    public static Amounts Add(Amounts left, Amounts right) => left + right;
}
