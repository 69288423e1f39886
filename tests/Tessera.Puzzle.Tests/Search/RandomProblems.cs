using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

/// <summary>Seeded problems of several characters.</summary>
internal static class RandomProblems
{
    /// <summary>Limits between what the cheapest and the dearest selection use, so that most but not all are feasible.</summary>
    public static SearchProblem Small(int seed)
    {
        var random = new Random(seed);
        int layers = random.Next(1, 9);
        int resources = random.Next(1, 4);
        bool isHeavyTailed = random.Next(3) == 0;
        bool hasNegative = random.Next(3) == 0;
        bool isInteger = random.Next(3) == 0;
        var choices = new List<IReadOnlyList<Choice>>();
        double product = 1;
        for (int layer = 0; layer < layers; layer++)
        {
            int count = random.Next(1, 7);
            product *= count;
            // The oracle visits every selection: keep their number small.
            if (product > 20_000)
            {
                break;
            }

            choices.Add([.. Enumerable.Range(0, count).Select(index => new Choice(
                $"v{index}",
                Score(random, isHeavyTailed, hasNegative, isInteger),
                [.. Enumerable.Range(0, resources).Select(_ => Cost(random, isInteger))]))]);
        }

        return new SearchProblem(choices, [.. Enumerable.Range(0, resources).Select(k => Limits(random, choices, k))]);
    }

    /// <summary>
    /// Puzzle-like: the first variant is the parent, the last costs nothing, dearer ones score better; costs are equal in all
    /// layers up to noise, limits are a share of the parent's costs.
    /// </summary>
    public static SearchProblem PuzzleLike(int seed, int layers, int variants, int resources, double share, double costNoise = 0)
    {
        var random = new Random(seed);
        double[][] costs = [.. Enumerable.Range(0, variants).Select(variant => Enumerable.Range(0, resources)
            .Select(_ => variant == 0 ? 1 : variant == variants - 1 ? 0 : random.NextDouble()).ToArray())];
        var choices = new List<IReadOnlyList<Choice>>();
        for (int layer = 0; layer < layers; layer++)
        {
            double sensitivity = Math.Exp(random.NextDouble() * 2);
            choices.Add([.. Enumerable.Range(0, variants).Select(variant => new Choice(
                $"v{variant}",
                variant == 0 ? 0 : sensitivity * (1 - costs[variant].Average()) * Math.Exp(Gaussian(random) * 0.5) * Tail(random),
                [.. costs[variant].Select(cost => cost * (1 + (costNoise * random.NextDouble())))]))]);
        }

        return new SearchProblem(choices, [.. Enumerable.Range(0, resources).Select(k => new Resource($"r{k}", share * layers))]);
    }

    /// <summary>
    /// A problem whose optimum is known by duality: with multipliers λ the planted variant alone minimises score + λ·cost in
    /// its layer and the limits are exactly what the planted selection uses.
    /// </summary>
    public static (SearchProblem Problem, int[] Planted) Planted(int seed, int layers, int variants, int resources)
    {
        var random = new Random(seed);
        double[] multiplier = [.. Enumerable.Range(0, resources).Select(_ => 0.5 + random.NextDouble())];
        var planted = new int[layers];
        var totals = new double[resources];
        var choices = new List<IReadOnlyList<Choice>>();
        for (int layer = 0; layer < layers; layer++)
        {
            planted[layer] = random.Next(variants);
            double level = 2 * random.NextDouble();
            var row = new List<Choice>();
            for (int variant = 0; variant < variants; variant++)
            {
                double[] costs = [.. Enumerable.Range(0, resources).Select(_ => random.NextDouble())];
                double above = variant == planted[layer] ? 0 : 1e-3 + (0.2 * Tail(random) * random.NextDouble());
                double price = costs.Zip(multiplier, (cost, weight) => cost * weight).Sum();
                row.Add(new Choice($"v{variant}", level + above - price, costs));
            }

            for (int k = 0; k < resources; k++)
            {
                totals[k] += row[planted[layer]].Costs[k];
            }

            choices.Add(row);
        }

        return (new SearchProblem(choices, [.. totals.Select((total, k) => new Resource($"r{k}", total))]), planted);
    }

    private static double Score(Random random, bool isHeavyTailed, bool hasNegative, bool isInteger)
    {
        double score = isInteger ? random.Next(10) : random.NextDouble();
        score *= isHeavyTailed && random.Next(5) == 0 ? 457 : 1;
        return hasNegative ? score - (isInteger ? 5 : 0.5) : score;
    }

    private static double Cost(Random random, bool isInteger) => isInteger ? random.Next(8) : random.NextDouble() * 3;

    private static Resource Limits(Random random, List<IReadOnlyList<Choice>> choices, int k)
    {
        double constant = random.Next(3);
        double least = choices.Sum(layer => layer.Min(choice => choice.Costs[k]));
        double most = choices.Sum(layer => layer.Max(choice => choice.Costs[k]));
        double At(double share) => constant + least + (share * (most - least));
        double exact = constant + choices.Sum(layer => layer[random.Next(layer.Count)].Costs[k]);
        return random.Next(6) switch
        {
            0 => new Resource($"r{k}", Constant: constant),
            1 => new Resource($"r{k}", Minimum: At(0.2 + (0.6 * random.NextDouble())), Constant: constant),
            2 => new Resource($"r{k}", At(0.6), At(0.35), constant),
            3 => new Resource($"r{k}", exact, random.Next(2) == 0 ? exact : double.NegativeInfinity, constant),
            4 => new Resource($"r{k}", At((0.3 * random.NextDouble()) - 0.02), Constant: constant),
            _ => new Resource($"r{k}", At(0.2 + (0.5 * random.NextDouble())), Constant: constant),
        };
    }

    private static double Tail(Random random) => random.Next(40) == 0 ? 300 : 1;

    private static double Gaussian(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
