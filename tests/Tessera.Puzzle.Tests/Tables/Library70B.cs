using System.Text.Json;

namespace Tessera.Puzzle.Tests.Tables;

/// <summary>
/// The costs of the public block library of a 70B Llama as tables: one H100, FP8, batch 256 with 9 queued, 1200 positions. Seconds are
/// the published means; scores are not part of it.
/// </summary>
internal static class Library70B
{
    private const int LayerCount = 80;
    private const double AttentionSeconds = 0.35384;

    private static readonly (int Width, double Seconds)[] FeedForwards =
    [
        (28_672, 0.46315), (21_504, 0.3547), (17_920, 0.3062), (14_336, 0.2263), (7168, 0.1304), (5632, 0.1159), (2816, 0.0840),
    ];

    /// <summary>The form of docs/search.md.</summary>
    public static string Json() => JsonSerializer.Serialize(new
    {
        version = 1,
        model = "llama-3.1-70b",
        @base = new { parameters = 0, weight_bytes = 0 },
        mixers = new Dictionary<string, object>
        {
            ["kv8"] = new { parameters = 151_003_136, weight_bytes = 151_003_136, kv_bytes_per_token = 2 * 8 * 128 },
        },
        feed_forwards = FeedForwards.ToDictionary(
            row => $"ffn{row.Width}", row => (object)new { parameters = Parameters(row.Width), weight_bytes = Parameters(row.Width), width = row.Width }),
        loads = new[]
        {
            new
            {
                scenario = "library",
                batch = 256,
                queued_prompts = 9,
                input_length = 1000,
                output_length = 200,
                @base = new { run_seconds = 0 },
                mixers = new { kv8 = new { run_seconds = AttentionSeconds } },
                feed_forwards = FeedForwards.ToDictionary(row => $"ffn{row.Width}", row => new { run_seconds = row.Seconds }),
            },
        },
        layers = Enumerable.Range(0, LayerCount).Select(_ => new
        {
            mixer = "kv8",
            feed_forward = "ffn28672",
            variants = from mixer in (string[])["kv8", "none"]
                       from feedForward in FeedForwards.Select(row => $"ffn{row.Width}").Append("none")
                       select new { mixer, feed_forward = feedForward, score = mixer == "kv8" && feedForward == "ffn28672" ? 0 : 1 },
        }),
    });

    /// <summary>The blocks of Super-49B: layers without attention, then those of narrower feed-forwards (its config.json).</summary>
    public static IEnumerable<string> Super()
    {
        int[] withoutAttention = [6, 7, 11, .. Enumerable.Range(42, 10), .. Enumerable.Range(53, 18)];
        Dictionary<int, int> widths = new() { [11] = 17_920 };
        foreach (var (width, layers) in ((int, int[])[])
                 [
                     (14_336, [0, 6, 7, 43, 44, 48]), (7168, [42, 45, 47, 49, 50, 51, 53, 56, 60, 61]), (5632, [54, 55, 57, 58, 59, 64, 65, 68]),
                     (2816, [62, 63, 66, 67, 69, 70]),
                 ])
        {
            foreach (int layer in layers)
            {
                widths.Add(layer, width);
            }
        }

        return Enumerable.Range(0, LayerCount).Select(layer =>
            $"{(withoutAttention.Contains(layer) ? "none" : "kv8")} ffn{widths.GetValueOrDefault(layer, 28_672)}");
    }

    private static long Parameters(int width) => (3L * 8192 * width) + 8192;
}
