namespace Tessera.Inference.Tests;

public sealed class SamplerTests
{
    private const int Draws = 20_000;

    // Probabilities 0.4, 0.25, 0.2, 0.1, 0.05 in no particular order.
    private static readonly double[] Probabilities = [0.1, 0.4, 0.05, 0.25, 0.2];

    [Fact]
    public void Temperature_zero_takes_the_likeliest_and_the_lowest_id_among_equals()
    {
        Assert.Equal(1, Sampler.Choose(Logits(1), new GenerationSettings(), 0));
        Assert.Equal(1, Sampler.Choose([0f, 2f, 2f, 1f], new GenerationSettings { Seed = 9 }, 7));
    }

    [Theory]
    [InlineData(1f)]
    [InlineData(0.5f)]
    [InlineData(2f)]
    public void Draws_follow_the_tempered_distribution(float temperature)
    {
        double[] expected = Normalise(Probabilities.Select(p => Math.Pow(p, 1 / temperature)));
        AssertDistribution(expected, new GenerationSettings { Temperature = temperature });
    }

    [Theory]
    [InlineData(1, 0, 0, 0)]
    [InlineData(2, 0, 0.25, 0)]
    [InlineData(3, 0, 0.25, 0.2)]
    public void Top_k_keeps_that_many_and_their_proportions(int k, double first, double fourth, double fifth) =>
        AssertDistribution(Normalise([first, 0.4, 0, fourth, fifth]), new GenerationSettings { Temperature = 1, TopK = k });

    [Fact]
    public void Top_k_above_the_vocabulary_keeps_all() =>
        AssertDistribution(Probabilities, new GenerationSettings { Temperature = 1, TopK = 99 });

    [Theory]
    [InlineData(0.01f, 1)]
    [InlineData(0.39f, 1)]
    [InlineData(0.41f, 2)]
    [InlineData(0.66f, 3)]
    [InlineData(0.94f, 4)]
    [InlineData(0.96f, 5)]
    public void Top_p_keeps_the_smallest_set_that_reaches_it(float p, int kept)
    {
        double threshold = Probabilities.OrderDescending().ElementAt(kept - 1);
        AssertDistribution(
            Normalise(Probabilities.Select(value => value >= threshold ? value : 0)), new GenerationSettings { Temperature = 1, TopP = p });
    }

    [Fact]
    public void Top_p_counts_the_mass_that_top_k_left() =>
        AssertDistribution(
            Normalise([0, 0.4, 0, 0.25, 0]), new GenerationSettings { Temperature = 1, TopK = 3, TopP = 0.7f });

    [Fact]
    public void A_draw_is_a_function_of_seed_and_position()
    {
        var settings = new GenerationSettings { Temperature = 1, Seed = 5 };
        int[] Draws(ulong seed, int first) =>
            [.. Enumerable.Range(first, 60).Select(position => Sampler.Choose(Logits(1), settings with { Seed = seed }, position))];
        Assert.Equal(Draws(5, 0), Draws(5, 0));
        Assert.Equal(Draws(5, 0)[10..], Draws(5, 10)[..50]);
        Assert.NotEqual(Draws(5, 0), Draws(6, 0));
        Assert.NotEqual(Draws(5, 0), Draws(5, 60));
    }

    [Fact]
    public void A_token_that_cannot_win_changes_nothing_wherever_it_stands()
    {
        // The noise belongs to a token's id, so the ids of the others must stay as they are.
        var settings = new GenerationSettings { Temperature = 1, Seed = 5 };
        float[] with = [.. Logits(1), -1e9f];
        for (int position = 0; position < 200; position++)
        {
            Assert.Equal(Sampler.Choose(Logits(1), settings, position), Sampler.Choose(with, settings, position));
            Assert.Equal(
                Sampler.Choose(Logits(1), settings, position),
                Sampler.Choose(Logits(1), settings with { TopK = 5 }, position));
        }
    }

    [Fact]
    public void Seeds_of_neighbouring_sequences_have_nothing_in_common()
    {
        var seeds = Enumerable.Range(0, 1000).Select(i => GenerationSettings.SequenceSeed(7, (ulong)i)).ToHashSet();
        Assert.Equal(1000, seeds.Count);
        int[] counts = new int[Probabilities.Length];
        foreach (ulong seed in seeds)
        {
            counts[Sampler.Choose(Logits(1), new GenerationSettings { Temperature = 1, Seed = seed }, 3)]++;
        }

        for (int id = 0; id < counts.Length; id++)
        {
            double slack = 5 * Math.Sqrt(1000 * Probabilities[id] * (1 - Probabilities[id]));
            Assert.InRange(counts[id], (1000 * Probabilities[id]) - slack, (1000 * Probabilities[id]) + slack);
        }
    }

    [Fact]
    public unsafe void Log_probabilities_are_those_of_the_plain_softmax_and_the_best_come_first()
    {
        float[] logits = [.. Logits(1).Select(logit => logit * 3)];
        double[] expected = Normalise(Probabilities.Select(p => Math.Pow(p, 3)));
        fixed (float* row = logits)
        {
            var (logProb, top) = Sampler.LogProbs(row, logits.Length, 2, 3);
            Assert.Equal(Math.Log(expected[2]), logProb, 5);
            Assert.Equal([1, 3, 4], top.Select(entry => entry.Token));
            Assert.All(top, entry => Assert.Equal(Math.Log(expected[entry.Token]), entry.LogProb, 5));
        }
    }

    [Fact]
    public void Tokens_without_any_mass_are_never_drawn()
    {
        float[] logits = [float.NegativeInfinity, 0f, -1e30f, 1f];
        for (int position = 0; position < 500; position++)
        {
            int id = Sampler.Choose(logits, new GenerationSettings { Temperature = 1 }, position);
            Assert.True(id is 1 or 3);
        }
    }

    private static float[] Logits(float scale) => [.. Probabilities.Select(p => scale * (float)(Math.Log(p) + 3))];

    private static double[] Normalise(IEnumerable<double> masses)
    {
        double[] list = [.. masses];
        return [.. list.Select(mass => mass / list.Sum())];
    }

    private static void AssertDistribution(double[] expected, GenerationSettings settings)
    {
        var counts = new int[expected.Length];
        float[] logits = Logits(1);
        for (int i = 0; i < Draws; i++)
        {
            counts[Sampler.Choose(logits, settings with { Seed = (ulong)(i / 100) }, i % 100)]++;
        }

        for (int id = 0; id < counts.Length; id++)
        {
            // Five standard deviations of a binomial count; exactly zero where nothing may be drawn.
            double slack = 5 * Math.Sqrt(Draws * expected[id] * (1 - expected[id]));
            Assert.InRange(counts[id], (Draws * expected[id]) - slack, (Draws * expected[id]) + slack);
        }
    }
}
