using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;
using static Tessera.Models.Tests.Configuration.DeciLmJson;

namespace Tessera.Models.Tests.Configuration;

/// <summary>Totals of published models, which their names and cards state.</summary>
public sealed class PublishedShapeTests : IDisposable
{
    // Layers of Super-49B: A has attention; then the width in per cent of 28672.
    private const string SuperLayers =
        "0 A/50 · 1–5 A/100 · 6–7 -/50 · 8–10 A/100 · 11 -/62.5 · 12–41 A/100 · 42 -/25 · 43–44 -/50 · 45 -/25 · "
        + "46 -/100 · 47 -/25 · 48 -/50 · 49–51 -/25 · 52 A/100 · 53 -/25 · 54–55 -/20 · 56 -/25 · 57–59 -/20 · "
        + "60–61 -/25 · 62–63 -/10 · 64–65 -/20 · 66–67 -/10 · 68 -/20 · 69–70 -/10 · 71–79 A/100";

    private static readonly Dictionary<string, (double Multiplier, int Width)> SuperWidths = new()
    {
        ["100"] = (5.25, 28_672),
        ["62.5"] = (3.28125, 17_920),
        ["50"] = (2.625, 14_336),
        ["25"] = (1.3125, 7168),
        ["20"] = (1.0, 5632),
        ["10"] = (0.5, 2816),
    };

    // Ultra-253B: multiplier, width, number of layers; the last four are fused and have no attention.
    private static readonly (double Multiplier, int Width, int Count)[] UltraWidths =
    [
        (4.875, 53_248, 34), (3.4125, 37_376, 4), (2.925, 32_000, 2), (2.4375, 26_624, 19), (1.95, 21_504, 10), (1.4625, 16_128, 6),
        (0.975, 10_752, 1), (0.4875, 5376, 1), (36.5625, 399_360, 1), (39.0, 425_984, 1), (31.40625, 343_040, 1), (27.5625, 301_056, 1),
    ];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Super_49B_has_its_published_totals()
    {
        var blocks = new List<string>();
        var widths = new List<int>();
        foreach (string run in SuperLayers.Split(" · "))
        {
            string[] parts = run.Split(' ', '/');
            string[] ends = parts[0].Split('–');
            Assert.Equal(blocks.Count, int.Parse(ends[0]));
            for (int layer = int.Parse(ends[0]); layer <= int.Parse(ends[^1]); layer++)
            {
                blocks.Add(Block(parts[1] == "A" ? Attention(8) : NoAttention, FeedForward(SuperWidths[parts[2]].Multiplier)));
                widths.Add(SuperWidths[parts[2]].Width);
            }
        }

        ModelConfiguration model = Read(Model(8192, 64, 8.0, blocks));
        Assert.Equal(80, model.Layers.Length);
        Assert.Equal(49, model.Layers.Count(layer => layer.Mixer is AttentionConfiguration { KvHeadCount: 8 }));
        Assert.Equal(widths, model.Layers.Select(layer => ((SwiGluConfiguration)layer.FeedForward).Width));
        Assert.Equal(49_867_145_216, model.ParameterCount);
        Assert.Equal(100_352, model.KvElementsPerToken);
        Assert.Equal(200_704, model.KvBytesPerToken(DType.BF16));
        Assert.Equal(128, model.HeadDim);
        Assert.Equal([128_001, 128_008, 128_009], model.EosTokenIds);
        RoundTrip(model);
    }

    [Fact]
    public void Ultra_253B_has_its_published_totals()
    {
        List<double> multipliers = [.. UltraWidths.SelectMany(row => Enumerable.Repeat(row.Multiplier, row.Count))];
        Assert.Equal(81, multipliers.Count);
        IEnumerable<string> real = multipliers.Select(
            (multiplier, i) => Block(i < 64 ? Attention(16) : NoAttention, FeedForward(multiplier)));
        IEnumerable<string> empty = Enumerable.Repeat(Block(NoAttention, NoFeedForward), 81);
        ModelConfiguration model = Read(Model(16_384, 128, 16.0, [.. real, .. empty]));
        Assert.Equal(162, model.Layers.Length);
        Assert.Equal(81, model.Layers.Count(layer => layer.ToString() == "none none"));
        Assert.Equal(253_401_268_224, model.ParameterCount);
        Assert.Equal(131_072, model.KvElementsPerToken);
        foreach (var (_, width, count) in UltraWidths)
        {
            Assert.Equal(count, model.Layers.Count(layer => layer.FeedForward == new SwiGluConfiguration(width)));
        }

        Assert.Equal(new Llama3RopeScaling(16, 1, 4, 8192), model.RopeScaling);
        RoundTrip(model);
    }

    [Theory]
    [InlineData("Llama-3.2-1B", 2048, 8192, 16, 32, 64, true, 1_235_814_400)]
    [InlineData("Llama-3.2-3B", 3072, 8192, 28, 24, 128, true, 3_212_749_824)]
    [InlineData("Llama-3.1-8B", 4096, 14_336, 32, 32, 128, false, 8_030_261_248)]
    [InlineData("Llama-3.1-70B", 8192, 28_672, 80, 64, 128, false, 70_553_706_496)]
    [InlineData("Llama-3.1-405B", 16_384, 53_248, 126, 128, 128, false, 405_853_388_800)]
    public void Llama_3_has_its_published_totals(
        string name, int hidden, int width, int layers, int heads, int headDim, bool tied, long parameters)
    {
        ModelConfiguration model = Read($$"""
            {"architectures": ["LlamaForCausalLM"], "hidden_size": {{hidden}}, "intermediate_size": {{width}},
             "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": 8, "head_dim": {{headDim}},
             "vocab_size": 128256, "tie_word_embeddings": {{(tied ? "true" : "false")}}}
            """);
        Assert.True(parameters == model.ParameterCount, $"{name}: {model.ParameterCount}");
        Assert.Equal(2L * layers * 8 * headDim, model.KvElementsPerToken);

        // Without attention over the context, a token costs two operations for each matrix element.
        long norms = ((2L * layers) + 1) * hidden;
        long lookup = tied ? 0 : 128_256L * hidden;
        Assert.Equal(2.0 * (parameters - norms - lookup), model.FlopsPerToken(0));
        Assert.Equal(4.0 * heads * headDim * layers * 1000, model.FlopsPerToken(1000) - model.FlopsPerToken(0));
        RoundTrip(model);
    }

    public void Dispose() => _folder.Dispose();

    private ModelConfiguration Read(string content) => ConfigurationReader.Read(_folder.Write("config.json", content));

    private void RoundTrip(ModelConfiguration model)
    {
        string path = _folder.File("written.json");
        ConfigurationWriter.Write(model, path);
        Assert.Equal(model, ConfigurationReader.Read(path));
    }
}
