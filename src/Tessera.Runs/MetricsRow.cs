namespace Tessera.Runs;

/// <summary>What was measured at one step.</summary>
/// <param name="Step">The step, not negative.</param>
/// <param name="Values">Values by name.</param>
public sealed record MetricsRow(long Step, IReadOnlyDictionary<string, double> Values);
