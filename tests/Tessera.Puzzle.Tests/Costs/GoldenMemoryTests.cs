using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;

namespace Tessera.Puzzle.Tests.Costs;

/// <summary>Memory of published models in published loads, to the digits that their sources print.</summary>
public sealed class GoldenMemoryTests
{
    private const double Mebibyte = 1024.0 * 1024;

    // Super-49B layer by layer: A keeps attention; then the width in per cent of 28672 (its config.json).
    private const string SuperLayers =
        "0 A/50 · 1-5 A/100 · 6-7 -/50 · 8-10 A/100 · 11 -/62.5 · 12-41 A/100 · 42 -/25 · 43-44 -/50 · 45 -/25 · "
        + "46 -/100 · 47 -/25 · 48 -/50 · 49-51 -/25 · 52 A/100 · 53 -/25 · 54-55 -/20 · 56 -/25 · 57-59 -/20 · "
        + "60-61 -/25 · 62-63 -/10 · 64-65 -/20 · 66-67 -/10 · 68 -/20 · 69-70 -/10 · 71-79 A/100";

    private static readonly Dictionary<string, int> SuperWidths = new()
    {
        ["100"] = 28_672,
        ["62.5"] = 17_920,
        ["50"] = 14_336,
        ["25"] = 7168,
        ["20"] = 5632,
        ["10"] = 2816,
    };

    // Ultra-253B: width and number of layers; the last four are fused runs without attention, and 81 layers hold nothing.
    private static readonly (int Width, int Count)[] UltraWidths =
    [
        (53_248, 34), (37_376, 4), (32_000, 2), (26_624, 19), (21_504, 10), (16_128, 6), (10_752, 1), (5376, 1),
        (399_360, 1), (425_984, 1), (343_040, 1), (301_056, 1),
    ];

    /// <summary>The public library of the 70B: one H100, FP8, batch 256 with room for 9 more, 1200 positions.</summary>
    private static MemoryModel LibraryLoad { get; } = new()
    {
        Weights = StorageFormat.Parse("fp8", "test"),
        KeysAndValues = StorageFormat.Parse("fp8", "test"),
        Batch = 256,
        QueuedPrompts = 9,
        Positions = 1200,
    };

    /// <summary>Model-Optimizer's example: bf16, batch 96, 4096 in and 4096 out.</summary>
    private static MemoryModel ExampleLoad { get; } = new()
    {
        Weights = StorageFormat.Parse("bf16", "test"),
        KeysAndValues = StorageFormat.Parse("bf16", "test"),
        Batch = 96,
        Positions = 8192,
    };

    [Fact]
    public void The_library_of_the_70B_decomposes_to_the_digit()
    {
        var model = PublishedShapes.Find("llama-3.1-70b")!;
        var (attention, feedForward) = (model.Layers[0].Mixer, model.Layers[0].FeedForward);
        Assert.Equal(151_003_136, attention.ParameterCount(model));
        Assert.Equal(704_651_264, feedForward.ParameterCount(model));
        Assert.Equal(621.09375, LibraryLoad.KvBytes(attention.KvElementsPerToken(model)) / Mebibyte);
        Assert.Equal(144.0078125, LibraryLoad.WeightBytes(151_003_136, 8192) / Mebibyte);
        Assert.Equal(765.1015625, LibraryLoad.Bytes(model, attention) / Mebibyte);
        Assert.Equal(672.0078125, LibraryLoad.Bytes(model, feedForward) / Mebibyte);
        Assert.Equal(114_968.75, (LibraryLoad.Bytes(model) - LibraryLoad.BaseBytes(model)) / Mebibyte);
        // Without the nine queued prompts the library's figure is missed.
        Assert.Equal(600, (LibraryLoad with { QueuedPrompts = 0 }).KvBytes(attention.KvElementsPerToken(model)) / Mebibyte);
    }

    [Theory]
    [InlineData(100, 672.0078, 1437.11)]
    [InlineData(75, 504.0078, 1269.1)]
    [InlineData(62.5, 420.0078, 1185.1)]
    [InlineData(50, 336.0078, 1101.1)]
    [InlineData(25, 168.0078, 933.1)]
    [InlineData(20, 132.0078, 897.1)]
    [InlineData(10, 66.0078, 831.1)]
    public void Every_width_of_the_library_has_its_published_memory(double percent, double feedForward, double block)
    {
        var model = PublishedShapes.Find("llama-3.1-70b")!;
        int width = percent == 75 ? 21_504 : SuperWidths[percent.ToString(System.Globalization.CultureInfo.InvariantCulture)];
        double bytes = LibraryLoad.Bytes(model, new SwiGluConfiguration(width));
        Assert.Equal(feedForward, bytes / Mebibyte, 4);
        Assert.Equal(block, (bytes + LibraryLoad.Bytes(model, model.Layers[0].Mixer)) / Mebibyte, 1);
    }

    [Fact]
    public void Super_49B_costs_what_the_library_says_of_its_layers()
    {
        var super = Super();
        Assert.Equal(49_867_145_216, super.ParameterCount);
        Assert.Equal(100_352, super.KvElementsPerToken);
        // Blocks alone, as the library counts: 75,987 MiB.
        Assert.Equal(75_987, (LibraryLoad.Bytes(super) - LibraryLoad.BaseBytes(super)) / Mebibyte, 0);
        // One H100 holds about 300 thousand cached tokens beside the FP8 weights: 49.9 GB and 30.1 GB.
        var budget = LibraryLoad with { Batch = 16, QueuedPrompts = 0, Positions = 18_750 };
        Assert.Equal(79.97e9, budget.Bytes(super), 0.01e9);
    }

    [Fact]
    public void Ultra_253B_keeps_half_of_the_405Bs_keys_and_values()
    {
        var ultra = Ultra();
        Assert.Equal(253_401_268_224, ultra.ParameterCount);
        Assert.Equal(131_072, ultra.KvElementsPerToken);
        // FP8 weights and 3 million cached tokens: 253 GB and 393 GB.
        var budget = LibraryLoad with { Batch = 3000, QueuedPrompts = 0, Positions = 1000 };
        Assert.Equal(253.401268224e9 + 393.216e9, budget.Bytes(ultra));
    }

    [Theory]
    [InlineData(32, 113_620.5)]
    [InlineData(26, 94_708.5)]
    [InlineData(20, 75_796.41)]
    public void The_8B_example_has_its_published_memory(int attentionLayers, double mebibytes)
    {
        var parent = PublishedShapes.Find("llama-3.1-8b")!;
        var child = parent with
        {
            Layers = [.. parent.Layers.Select((layer, i) => i < attentionLayers ? layer : layer with { Mixer = new NoMixerConfiguration() })],
        };
        Assert.Equal(mebibytes, ExampleLoad.Bytes(child) / Mebibyte, mebibytes == 75_796.41 ? 2 : 1);
        if (attentionLayers == 20)
        {
            Assert.Equal(3072, ExampleLoad.KvBytes(parent.Layers[0].Mixer.KvElementsPerToken(parent)) / Mebibyte);
            Assert.Equal(41_947_136, parent.MixerParameterCount(0));
            Assert.Equal(176_164_864, parent.FeedForwardParameterCount(0));
            Assert.Equal(1_050_677_248, (parent with { Layers = [] }).ParameterCount);
            Assert.Equal(63_040.16 + 10_752.25 + 2004.01, ExampleLoad.Bytes(child) / Mebibyte, 0.02);
        }
    }

    [Fact]
    public void An_explicit_head_dimension_decides_the_cache()
    {
        // Mistral-Small-24B: hidden 5120 and 32 heads, but heads of 128 and not of 160.
        var model = new ModelConfiguration
        {
            VocabularySize = 131_072,
            HiddenSize = 5120,
            HeadCount = 32,
            HeadDim = 128,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 1e8,
            MaxPositions = 32_768,
            Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(8), new SwiGluConfiguration(32_768)), 40)],
        };
        Assert.Equal(23_572_403_200, model.ParameterCount);
        Assert.Equal(40.0 * 2 * 8 * 128 * 2 * 8192 * 96, 40 * ExampleLoad.KvBytes(model.Layers[0].Mixer.KvElementsPerToken(model)));
    }

    [Fact]
    public void A_tied_head_is_stored_once()
    {
        var tied = PublishedShapes.Find("llama-3.2-1b")!;
        Assert.Equal(2.0 * ((128_256L * 2048) + 2048), ExampleLoad.BaseBytes(tied));
        Assert.Equal(2.0 * 128_256 * 2048, ExampleLoad.BaseBytes(tied with { TieEmbeddings = false }) - ExampleLoad.BaseBytes(tied));
    }

    [Fact]
    public void Gains_may_be_stored_otherwise_and_grouped_formats_count_their_scales()
    {
        var model = PublishedShapes.Find("llama-3.2-1b")!;
        var exact = ExampleLoad with { Gains = StorageFormat.Parse("f32", "test") };
        Assert.Equal((33L * 2048 * 2) + ExampleLoad.Bytes(model), exact.Bytes(model));
        Assert.Equal(34, 32 * StorageFormat.Parse("int8", "test").BytesPerElement);
        Assert.Equal(18, 32 * StorageFormat.Parse("int4", "test").BytesPerElement);
        var error = Assert.Throws<InvalidDataException>(() => StorageFormat.Parse("fp16", "weights"));
        Assert.Equal("weights: 'fp16' is no storage format, expected one of f32, bf16, f16, fp8, int8, int4, nvfp4", error.Message);
    }

    private static ModelConfiguration Super()
    {
        var layers = new List<LayerConfiguration>();
        foreach (string run in SuperLayers.Split(" · "))
        {
            string[] parts = run.Split(' ', '/');
            int[] ends = [.. parts[0].Split('-').Select(int.Parse)];
            Assert.Equal(layers.Count, ends[0]);
            MixerConfiguration mixer = parts[1] == "A" ? new AttentionConfiguration(8) : new NoMixerConfiguration();
            layers.AddRange(Enumerable.Repeat(new LayerConfiguration(mixer, new SwiGluConfiguration(SuperWidths[parts[2]])), ends[^1] - ends[0] + 1));
        }

        return PublishedShapes.Find("llama-3.1-70b")! with { Layers = [.. layers] };
    }

    private static ModelConfiguration Ultra()
    {
        IEnumerable<int> widths = UltraWidths.SelectMany(row => Enumerable.Repeat(row.Width, row.Count));
        IEnumerable<LayerConfiguration> real = widths.Select((width, i) => new LayerConfiguration(
            i < 64 ? new AttentionConfiguration(8) : new NoMixerConfiguration(), new SwiGluConfiguration(width)));
        var nothing = new LayerConfiguration(new NoMixerConfiguration(), new NoFeedForwardConfiguration());
        return PublishedShapes.Find("llama-3.1-70b")! with
        {
            HiddenSize = 16_384,
            HeadCount = 128,
            HeadDim = 128,
            Layers = [.. real, .. Enumerable.Repeat(nothing, 81)],
        };
    }
}
