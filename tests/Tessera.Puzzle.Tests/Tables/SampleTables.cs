using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Tests.Tables;

/// <summary>Small seeded tables: three mixers and three feed-forwards a layer, loads by scenario and batch.</summary>
internal static class SampleTables
{
    public static SearchTables Create(int seed, int layers = 5, params (string Scenario, int Batch)[] loads)
    {
        var random = new Random(seed);
        if (loads.Length == 0)
        {
            loads = [("chat", 4)];
        }

        Dictionary<string, HalfSize> mixers = new()
        {
            ["kv4"] = new HalfSize(HalfKind.Attention, 400, 800, 64),
            ["kv1"] = new HalfSize(HalfKind.Attention, 250, 500, 16),
            ["linear"] = new HalfSize(HalfKind.Linear, 100, 200, 0),
            ["none"] = HalfSize.Nothing,
        };
        Dictionary<string, HalfSize> feedForwards = new()
        {
            ["ffn512"] = new HalfSize(HalfKind.FeedForward, 900, 1800, 0) { Width = 512 },
            ["ffn100"] = new HalfSize(HalfKind.FeedForward, 200, 400, 0) { Width = 100 },
            ["none"] = HalfSize.Nothing,
        };
        return new SearchTables
        {
            Model = $"sample {seed}",
            ScoreName = "KL, nats a token",
            Shape = new TableShape(64, 4, 16),
            Mixers = mixers,
            FeedForwards = feedForwards,
            Base = new HalfSize(HalfKind.None, 1000, 2000, 0),
            Loads = [.. loads.Select(load => Load(random, load.Scenario, load.Batch, mixers, feedForwards))],
            Layers = [.. Enumerable.Range(0, layers).Select(_ => new LayerTable("kv4", "ffn512", [.. from mixer in mixers.Keys
                from feedForward in feedForwards.Keys
                select Variant(random, mixer, feedForward, loads)]))],
        };
    }

    private static LoadTable Load(
        Random random, string scenario, int batch, Dictionary<string, HalfSize> mixers, Dictionary<string, HalfSize> feedForwards)
    {
        // Times grow with size and, less than in proportion, with the batch.
        LoadTime Time(HalfSize size) => LoadTime.OfPhases(
            size.Parameters * batch * 1e-7 * (0.8 + (0.4 * random.NextDouble())), size.Parameters * Math.Sqrt(batch) * 1e-8 * (0.8 + (0.4 * random.NextDouble())), 20);
        return new LoadTable
        {
            Scenario = scenario,
            Batch = batch,
            InputLength = 12,
            OutputLength = 20,
            Label = $"{scenario}, batch {batch}",
            Base = LoadTime.OfPhases(batch * 1e-5, 1e-6, 20),
            Mixers = mixers.ToDictionary(pair => pair.Key, pair => Time(pair.Value)),
            FeedForwards = feedForwards.ToDictionary(pair => pair.Key, pair => Time(pair.Value)),
        };
    }

    private static ScoredVariant Variant(Random random, string mixer, string feedForward, (string Scenario, int Batch)[] loads)
    {
        bool isParent = mixer == "kv4" && feedForward == "ffn512";
        double Score() => isParent ? 0 : random.NextDouble() * (mixer == "none" || feedForward == "none" ? 3 : 1);
        double score = Score();
        string[] scenarios = [.. loads.Select(load => load.Scenario).Distinct()];
        return new ScoredVariant(mixer, feedForward, score)
        {
            StandardError = 0.01,
            ScenarioScores = scenarios.Length < 2 ? new Dictionary<string, double>() : scenarios.ToDictionary(scenario => scenario, _ => Score()),
        };
    }
}
