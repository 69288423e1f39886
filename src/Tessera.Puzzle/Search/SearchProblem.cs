namespace Tessera.Puzzle.Search;

/// <summary>The choice of one variant a layer that minimises the summed score under limits on summed costs.</summary>
/// <remarks>
/// min Σᵢ score(i, jᵢ)  subject to  Minimumₖ ≤ Constantₖ + Σᵢ costₖ(i, jᵢ) ≤ Maximumₖ for every resource k, and at most
/// so many layers equal to each earlier solution. Sums are taken in layer order; a limit counts as met when it is missed
/// by no more than 10⁻¹² of the magnitudes that were added, which is rounding.
/// </remarks>
public sealed class SearchProblem
{
    private const double RelativeSlack = 1e-12;

    /// <summary>Checks and stores the parts.</summary>
    /// <param name="layers">The variants of every layer, at least one each.</param>
    /// <param name="resources">The cost columns with their limits.</param>
    /// <param name="diversity">Earlier solutions to differ from; none by default.</param>
    /// <exception cref="ArgumentException">A layer is empty, a figure is not finite, or lengths do not agree.</exception>
    public SearchProblem(
        IReadOnlyList<IReadOnlyList<Choice>> layers,
        IReadOnlyList<Resource> resources,
        IReadOnlyList<DiversityCut>? diversity = null)
    {
        Layers = layers;
        Resources = resources;
        Diversity = diversity ?? [];
        CheckLayers();
        CheckResources();
        CheckDiversity();
    }

    /// <summary>The variants of every layer.</summary>
    public IReadOnlyList<IReadOnlyList<Choice>> Layers { get; }

    /// <summary>The cost columns with their limits.</summary>
    public IReadOnlyList<Resource> Resources { get; }

    /// <summary>Earlier solutions to differ from.</summary>
    public IReadOnlyList<DiversityCut> Diversity { get; }

    /// <summary>The same layers under other limits.</summary>
    public SearchProblem WithResources(IReadOnlyList<Resource> resources) => new(Layers, resources, Diversity);

    /// <summary>The same layers and limits with other solutions to differ from.</summary>
    public SearchProblem WithDiversity(IReadOnlyList<DiversityCut> diversity) => new(Layers, Resources, diversity);

    /// <summary>The summed score of a solution.</summary>
    public double ScoreOf(ReadOnlySpan<int> choice)
    {
        double sum = 0;
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            sum += Layers[layer][choice[layer]].Score;
        }

        return sum;
    }

    /// <summary>Constant plus summed costs of a solution for one resource.</summary>
    public double TotalOf(int resource, ReadOnlySpan<int> choice)
    {
        double sum = Resources[resource].Constant;
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            sum += Layers[layer][choice[layer]].Costs[resource];
        }

        return sum;
    }

    /// <summary><see cref="TotalOf"/> for every resource.</summary>
    public double[] TotalsOf(ReadOnlySpan<int> choice)
    {
        var totals = new double[Resources.Count];
        for (int resource = 0; resource < totals.Length; resource++)
        {
            totals[resource] = TotalOf(resource, choice);
        }

        return totals;
    }

    /// <summary>Whether a solution meets every limit and differs enough from the earlier solutions.</summary>
    public bool IsFeasible(ReadOnlySpan<int> choice)
    {
        for (int resource = 0; resource < Resources.Count; resource++)
        {
            if (Resources[resource].IsLimited)
            {
                double total = TotalOf(resource, choice);
                double slack = SlackOf(resource);
                if (!(total <= Resources[resource].Maximum + slack && total >= Resources[resource].Minimum - slack))
                {
                    return false;
                }
            }
        }

        foreach (DiversityCut cut in Diversity)
        {
            if (EqualLayers(cut.Choice, choice) > cut.MaximumEqualLayers)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>By how much a sum may miss its limit and still count as meeting it.</summary>
    internal double SlackOf(int resource)
    {
        double magnitude = Math.Abs(Resources[resource].Constant);
        foreach (IReadOnlyList<Choice> layer in Layers)
        {
            double largest = 0;
            foreach (Choice choice in layer)
            {
                largest = Math.Max(largest, Math.Abs(choice.Costs[resource]));
            }

            magnitude += largest;
        }

        return RelativeSlack * magnitude;
    }

    private static int EqualLayers(int[] one, ReadOnlySpan<int> other)
    {
        int equal = 0;
        for (int layer = 0; layer < one.Length; layer++)
        {
            equal += one[layer] == other[layer] ? 1 : 0;
        }

        return equal;
    }

    private void CheckLayers()
    {
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            if (Layers[layer].Count == 0)
            {
                throw new ArgumentException($"layer {layer} has no variant to choose");
            }

            foreach (Choice choice in Layers[layer])
            {
                CheckChoice(layer, choice);
            }
        }
    }

    private void CheckChoice(int layer, Choice choice)
    {
        if (!double.IsFinite(choice.Score))
        {
            throw new ArgumentException($"the score of variant {choice.Name} in layer {layer} is {choice.Score}, not a finite number");
        }

        if (choice.Costs.Length != Resources.Count)
        {
            throw new ArgumentException(
                $"variant {choice.Name} in layer {layer} has {choice.Costs.Length} costs for {Resources.Count} resources");
        }

        for (int resource = 0; resource < Resources.Count; resource++)
        {
            if (!double.IsFinite(choice.Costs[resource]))
            {
                throw new ArgumentException(
                    $"the {Resources[resource].Name} cost of variant {choice.Name} in layer {layer} is not a finite number");
            }
        }
    }

    private void CheckResources()
    {
        foreach (Resource resource in Resources)
        {
            if (!double.IsFinite(resource.Constant) || double.IsNaN(resource.Maximum) || double.IsNaN(resource.Minimum))
            {
                throw new ArgumentException($"the limits or the constant of {resource.Name} are not numbers");
            }
        }
    }

    private void CheckDiversity()
    {
        foreach (DiversityCut cut in Diversity)
        {
            if (cut.Choice.Length != Layers.Count)
            {
                throw new ArgumentException($"an earlier solution has {cut.Choice.Length} layers, the problem {Layers.Count}");
            }
        }
    }
}
