namespace Tessera.Puzzle.Costs;

/// <summary>Cost tables of one model in several named loads, as one file.</summary>
public sealed record CostSet
{
    /// <summary>The version of the form on disk that this program writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Version of the form on disk.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>One table a load; loads of one name differ in their scenarios.</summary>
    public required IReadOnlyList<CostTable> Loads { get; init; }

    /// <summary>
    /// These tables and others, of which each takes the place of the table of the same name and scenario: for a machine and a load the
    /// newest figures hold, whether measured or predicted.
    /// </summary>
    /// <param name="others">Costs of the same halves.</param>
    /// <param name="source">Where these tables come from, for the message.</param>
    /// <exception cref="InvalidDataException">The others are of a model of another shape.</exception>
    public CostSet With(CostSet others, string source)
    {
        foreach (var table in others.Loads)
        {
            EnsureSame(Loads[0].Mixers, table.Mixers, source);
            EnsureSame(Loads[0].FeedForwards, table.FeedForwards, source);
        }

        return this with
        {
            Loads =
            [
                .. Loads.Where(old => !others.Loads.Any(table => table.Name == old.Name && table.Scenario == old.Scenario)),
                .. others.Loads,
            ],
        };
    }

    /// <summary>The one table whose scenario is asked for, or the only one there is, whatever it was measured for.</summary>
    /// <param name="scenario">The scenario to serve.</param>
    /// <param name="source">Where the tables come from, for the message.</param>
    /// <exception cref="InvalidDataException">There are several tables and none is of this scenario; the sentence lists them.</exception>
    public CostTable Find(ServingScenario scenario, string source) =>
        Loads.Count == 1 ? Loads[0] : Loads.FirstOrDefault(table => table.Scenario == scenario) ?? throw new InvalidDataException(
            $"{source}: there are no costs for {scenario.Label}, only for {string.Join("; ", Loads.Select(table => table.Scenario.Label))}");

    private static void EnsureSame(
        IReadOnlyDictionary<string, VariantCost> known, IReadOnlyDictionary<string, VariantCost> added, string source)
    {
        foreach (var (label, cost) in added)
        {
            if (!known.TryGetValue(label, out var old) || old.Parameters != cost.Parameters)
            {
                throw new InvalidDataException(
                    $"{source}: {label} has {cost.Parameters} parameters in what is added and {old?.Parameters ?? 0} there: another model");
            }
        }
    }
}
