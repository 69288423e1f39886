namespace Tessera.Puzzle.Search;

/// <summary>One column of costs, and the limits on its sum: Minimum ≤ Constant + Σ costs of the chosen variants ≤ Maximum.</summary>
/// <param name="Name">How messages call it, such as "memory".</param>
/// <param name="Maximum">The upper limit, +∞ for none.</param>
/// <param name="Minimum">The lower limit, −∞ for none.</param>
/// <param name="Constant">What the model uses outside its layers: embedding, head, final norm.</param>
public sealed record Resource(
    string Name,
    double Maximum = double.PositiveInfinity,
    double Minimum = double.NegativeInfinity,
    double Constant = 0)
{
    /// <summary>What the figures count; decides how messages print them.</summary>
    public ResourceUnit Unit { get; init; }

    /// <summary>
    /// Generated tokens of the scenario whose seconds this column holds: messages then give tokens per second beside
    /// seconds. Zero where the column is not a scenario's run time.
    /// </summary>
    public double ScenarioTokens { get; init; }

    /// <summary>Whether either limit is set.</summary>
    public bool IsLimited => !double.IsPositiveInfinity(Maximum) || !double.IsNegativeInfinity(Minimum);
}
