using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Gguf;

public sealed class GgufModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CpuDevice _device = new(1);

    /// <summary>Every half that the form can hold, a last layer without feed-forward among them.</summary>
    private static ImmutableArray<LayerConfiguration> Mixed { get; } =
    [
        new(new AttentionConfiguration(2), new SwiGluConfiguration(96)),
        new(SmallModel.NoMixer, SmallModel.NoFeedForward),
        new(new LinearMixerConfiguration(), new SwiGluConfiguration(64)),
        new(new AttentionConfiguration(4), SmallModel.NoFeedForward),
        new(SmallModel.NoMixer, new SwiGluConfiguration(32)),
        new(new LinearMixerConfiguration(), SmallModel.NoFeedForward),
        new(new AttentionConfiguration(1), SmallModel.NoFeedForward),
    ];

    private static ImmutableArray<LayerConfiguration> Plain { get; } =
        [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(96)), 2)];

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void A_model_comes_back_bit_for_bit_in_f32(bool plain, bool tied)
    {
        using var model = SmallModel.Create(Shape(plain ? Plain : Mixed, tied));
        string path = _folder.File("model.gguf");
        Assert.Empty(GgufExport.Write(path, model, GgufTensorType.F32, "small"));
        using var loaded = ModelFolder.Load(path);
        Assert.Equal(Shape(plain ? Plain : Mixed, tied) with { Architecture = plain ? ModelFamily.Llama : ModelFamily.DeciLm, EosTokenIds = [] }, loaded.Configuration);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
        int[] ids = SmallModel.Ids(21, 41);
        Assert.Equal(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, loaded, ids));
    }

    [Theory]
    [InlineData(GgufTensorType.BF16, 2.0e-3)]
    [InlineData(GgufTensorType.F16, 2.6e-4)]
    [InlineData(GgufTensorType.Q8, 6.1e-3)]
    [InlineData(GgufTensorType.Q4, 9.7e-2)]
    public void Other_types_round_every_matrix_once(GgufTensorType type, double bound)
    {
        using var model = SmallModel.Create(Shape(Mixed));
        string path = _folder.File("model.gguf");
        Assert.Empty(GgufExport.Write(path, model, type, "small"));
        using var loaded = ModelFolder.Load(path, DType.F32);
        foreach (var (before, after) in WeightMap.Slices(model).Zip(WeightMap.Slices(loaded)))
        {
            double error = Errors.RelativeL2(Floats(after), Floats(before));
            bool isWide = before.Name is WeightMap.Embedding or WeightMap.Head && type == GgufTensorType.Q4;
            Assert.True(error <= (isWide ? 6.1e-3 : bound), $"{before.Name}: relative L2 {error:E3}");
            Assert.Equal(before.IsVector, error == 0);
        }

        // Once stored, the values are exact in the form: they come back from a second file as they are.
        string second = _folder.File("second.gguf");
        GgufExport.Write(second, loaded, type, "small");
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(second));
        using var again = ModelFolder.Load(second, DType.F32);
        Assert.Equal(SmallModel.AllBytes(loaded), SmallModel.AllBytes(again));
    }

    [Theory]
    [InlineData(GgufTensorType.Q8, DType.Int8)]
    [InlineData(GgufTensorType.Q4, DType.Int4)]
    public void Blocks_become_groups_without_loss_in_the_order_of_rows_that_the_model_has(GgufTensorType stored, DType type)
    {
        using var model = SmallModel.Create(Shape(Mixed));
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, stored, "small");
        using var wide = ModelFolder.Load(path, DType.F32);
        using var groups = ModelFolder.Load(path, type);
        Assert.Contains(groups.Parameters, parameter => parameter.Type == type);
        using var widened = ModelFolder.Convert(groups, DType.F32);
        Assert.Equal(SmallModel.AllBytes(wide), SmallModel.AllBytes(widened));

        // What is stored otherwise goes through f32, as from any other file.
        GgufExport.Write(path, model, GgufTensorType.F16, "small");
        using var halves = ModelFolder.Load(path, DType.F32);
        using var expected = ModelFolder.Convert(halves, type);
        using var rounded = ModelFolder.Load(path, type);
        Assert.Equal(SmallModel.AllBytes(expected), SmallModel.AllBytes(rounded));
    }

    [Fact]
    public void Bf16_models_keep_their_bits_and_their_type()
    {
        using var model = SmallModel.Create(Shape(Mixed), type: DType.BF16);
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.BF16, "small");

        // The zeros in place of a feed-forward are of another type; they say nothing about the weights.
        using var loaded = ModelFolder.Load(path, DType.BF16);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
        GgufExport.Write(path, model, GgufTensorType.F32, "small");
        using var narrowed = ModelFolder.Load(path, DType.BF16);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(narrowed));
    }

    [Fact]
    public void Heads_of_another_size_and_stretched_wavelengths_are_kept()
    {
        foreach (var scaling in (Llama3RopeScaling[])
            [new(8, 1, 4, 8192), new(32, 1, 4, 8192), new(4, 1, 4, 256), new(2.5, 2, 7, 100), new(3, 0.5, 1.5, 40)])
        {
            var shape = Shape(Plain) with { HeadDim = 24, RopeScaling = scaling, RopeTheta = 500_000, RmsNormEpsilon = 1e-6 };
            using var model = SmallModel.Create(shape);
            string path = _folder.File("model.gguf");
            GgufExport.Write(path, model, GgufTensorType.F32, "small");
            using var loaded = ModelFolder.Load(path);
            Assert.Equal(scaling, loaded.Configuration.RopeScaling);
            Assert.Equal(24, loaded.Configuration.HeadDim);
            int[] ids = SmallModel.Ids(30, 41);
            Assert.Equal(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, loaded, ids));
        }
    }

    [Theory]
    [InlineData(ModelFamily.Qwen2, "qwen2")]
    [InlineData(ModelFamily.Qwen3, "qwen3")]
    [InlineData(ModelFamily.Llama, "llama")]
    [InlineData(ModelFamily.Mistral, "llama")]
    [InlineData(ModelFamily.DeciLm, "deci")]
    public void Biases_head_norms_and_linear_scalings_come_back_bit_for_bit(ModelFamily family, string architecture)
    {
        var attention = new AttentionConfiguration(2)
        {
            HasQkvBias = family is not (ModelFamily.Qwen3 or ModelFamily.Mistral),
            HasOutputBias = family is ModelFamily.Llama or ModelFamily.DeciLm,
            HasHeadNorms = family == ModelFamily.Qwen3,
        };
        var ffn = new SwiGluConfiguration(64) { HasBias = family is ModelFamily.Llama };
        ImmutableArray<LayerConfiguration> layers = [new(attention, ffn), family == ModelFamily.DeciLm ? new(SmallModel.NoMixer, ffn) : new(attention, ffn)];
        var shape = Shape(layers, tied: true) with { Architecture = family, HeadDim = family == ModelFamily.DeciLm ? 16 : 8, RopeScaling = new LinearRopeScaling(2.5) };
        using var model = SmallModel.Create(shape);
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.F32, "small");
        using (var file = GgufFile.Open(path))
        {
            Assert.Equal(architecture, file.Metadata["general.architecture"].Text());
        }

        using var loaded = ModelFolder.Load(path);
        Assert.Equal(shape with { Architecture = family == ModelFamily.Mistral ? ModelFamily.Llama : family }, loaded.Configuration);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
        int[] ids = SmallModel.Ids(25, 41);
        Assert.Equal(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, loaded, ids));
    }

    [Fact]
    public void Rows_that_are_no_whole_blocks_are_f16_and_named()
    {
        ImmutableArray<LayerConfiguration> layers = [new(new AttentionConfiguration(2), new SwiGluConfiguration(40))];
        using var model = SmallModel.Create(Shape(layers));
        string path = _folder.File("model.gguf");
        string note = Assert.Single(GgufExport.Write(path, model, GgufTensorType.Q4, "small"));
        Assert.Contains("blk.0.ffn_down.weight", note, StringComparison.Ordinal);
        using var file = GgufFile.Open(path);
        Assert.Equal(GgufTensorType.F16, file.Tensors.Single(tensor => tensor.Name == "blk.0.ffn_down.weight").Type);
        Assert.Equal(GgufTensorType.Q4, file.Tensors.Single(tensor => tensor.Name == "blk.0.ffn_up.weight").Type);
        Assert.Equal(GgufTensorType.Q8, file.Tensors.Single(tensor => tensor.Name == "output.weight").Type);
        Assert.Equal(2, file.Metadata["general.quantization_version"].Integer(0, 9));
    }

    [Fact]
    public void Query_rows_stand_as_neighbours_in_the_file()
    {
        using var model = SmallModel.Create(Shape(Plain));
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.F32, "small");
        using var file = GgufFile.Open(path);
        Assert.True(file.TryGet("blk.0.attn_k.weight", out GgufTensor? keys));
        var slice = WeightMap.Slices(model).Single(s => s.Name == "model.layers.0.self_attn.k_proj.weight");
        float[] stored = Floats(file.Address(keys), keys.ElementCount), expected = Floats(slice);
        const int HeadDim = 16, Hidden = 64;
        for (int head = 0; head < 2; head++)
        {
            for (int p = 0; p < 2; p++)
            {
                for (int j = 0; j < HeadDim / 2; j++)
                {
                    int old = (head * HeadDim) + (p * HeadDim / 2) + j, now = (head * HeadDim) + (2 * j) + p;
                    Assert.Equal(expected.AsSpan(old * Hidden, Hidden), stored.AsSpan(now * Hidden, Hidden));
                }
            }
        }
    }

    [Fact]
    public void Attention_without_feed_forward_gets_one_that_adds_zero_and_a_last_empty_layer_too()
    {
        using var model = SmallModel.Create(Shape(Mixed));
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.F32, "small");
        using var file = GgufFile.Open(path);
        Assert.Equal([96, 0, 64, 256, 32, 256, 256], file.Metadata["deci.feed_forward_length"].Integers(99, 0, 9999));
        Assert.Equal([4, 0, 4, 4, 0, 4, 4], file.Metadata["deci.attention.head_count"].Integers(99, 0, 9999));
        Assert.Equal([2, 0, 0, 4, 0, 0, 1], file.Metadata["deci.attention.head_count_kv"].Integers(99, 0, 9999));
        Assert.Equal([3, 5, 6], file.Metadata["tessera.empty_feed_forward"].Integers(99, 0, 9));
        Assert.True(file.TryGet("blk.3.ffn_down.weight", out GgufTensor? down));
        Assert.Equal([64L, 256], down.Shape);
    }

    [Fact]
    public void A_first_layer_without_attention_gets_one_that_adds_zero()
    {
        // Other readers take the size of all heads from the first layer.
        foreach (var first in (LayerConfiguration[])[new(SmallModel.NoMixer, SmallModel.NoFeedForward), new(SmallModel.NoMixer, new SwiGluConfiguration(32))])
        {
            using var model = SmallModel.Create(Shape([first, .. Mixed]));
            string path = _folder.File("model.gguf");
            GgufExport.Write(path, model, GgufTensorType.F32, "small");
            using var loaded = ModelFolder.Load(path);
            Assert.Equal(model.Configuration.Layers.AsEnumerable(), loaded.Configuration.Layers);
            Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
            using var file = GgufFile.Open(path);
            Assert.Equal([0], file.Metadata["tessera.empty_attention"].Integers(9, 0, 9));
            Assert.Equal(4, file.Metadata["deci.attention.head_count"].Integers(9, 0, 9)[0]);
            Assert.Equal(0, file.Metadata["deci.attention.head_count_kv"].Integers(9, 0, 9)[0]);
            Assert.True(file.TryGet("blk.0.ffn_down.weight", out _));
        }
    }

    [Fact]
    public void A_half_that_is_named_empty_and_is_not_is_refused()
    {
        using var model = SmallModel.Create(Shape(Mixed));
        string path = _folder.File("model.gguf");
        GgufExport.Write(path, model, GgufTensorType.F32, "small");
        byte[] bytes = File.ReadAllBytes(path);
        long at;
        using (var file = GgufFile.Open(path))
        {
            Assert.True(file.TryGet("blk.5.ffn_down.weight", out GgufTensor? down));
            at = bytes.LongLength - file.Tensors.Max(tensor => tensor.Offset + ((tensor.Bytes + 31) / 32 * 32)) + down.Offset;
        }

        bytes[at + 77] = 1;
        string bad = _folder.Write("bad.gguf", bytes);
        Assert.Contains("blk.5.ffn_down.weight", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(bad)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_form_cannot_hold_is_refused_by_layer_and_nothing_is_written()
    {
        string path = _folder.File("model.gguf");
        using var linear = SmallModel.Create(Shape([.. Mixed, new(SmallModel.NoMixer, new LinearFeedForwardConfiguration())]));
        Assert.Contains("layer 7", Assert.Throws<NotSupportedException>(() => GgufExport.Write(path, linear, GgufTensorType.F32, "x")).Message, StringComparison.Ordinal);
        using var narrow = SmallModel.Create(Shape(Mixed) with { HeadDim = 8 });
        Assert.Contains("layer 0", Assert.Throws<NotSupportedException>(() => GgufExport.Write(path, narrow, GgufTensorType.F32, "x")).Message, StringComparison.Ordinal);
        using var windowed = SmallModel.Create(Shape([Plain[0], new(new AttentionConfiguration(2) { Window = 4 }, new SwiGluConfiguration(32))]));
        Assert.Contains("layer 1 has a sliding window", Assert.Throws<NotSupportedException>(() => GgufExport.Write(path, windowed, GgufTensorType.F32, "x")).Message, StringComparison.Ordinal);
        var normed = new AttentionConfiguration(2) { HasHeadNorms = true };
        foreach (var (sentence, layers) in ((string, LayerConfiguration[])[])
        [
            ("layer 1 has norms of query and key heads beside layers of other shapes", [Plain[0], new(normed, new SwiGluConfiguration(32))]),
            ("layer 0 has biases beside norms of query and key heads", [new(normed with { HasQkvBias = true }, new SwiGluConfiguration(32))]),
            ("layer 0 has biases in its feed-forward beside norms of query and key heads", [new(normed, new SwiGluConfiguration(32) { HasBias = true })]),
        ])
        {
            using var refused = SmallModel.Create(Shape([.. layers]));
            Assert.Contains(sentence, Assert.Throws<NotSupportedException>(() => GgufExport.Write(path, refused, GgufTensorType.F32, "x")).Message, StringComparison.Ordinal);
        }

        using var stretched = SmallModel.Create(Shape(Plain) with { RopeScaling = new YarnRopeScaling(4, 16) });
        Assert.Contains("Yarn", Assert.Throws<NotSupportedException>(() => GgufExport.Write(path, stretched, GgufTensorType.F32, "x")).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.FullPath));
    }

    [Fact]
    public void Writing_takes_little_memory_beside_the_model_and_leaves_no_arena_behind()
    {
        int arenas = Arena.LiveArenas;
        using (var model = SmallModel.Create(Shape(Plain) with { VocabularySize = 80_000 }, type: DType.BF16))
        {
            long before = Arena.LiveBytes, highest = 0;
            using var watch = new Timer(_ => highest = Math.Max(highest, Arena.LiveBytes), null, 0, 1);
            GgufExport.Write(_folder.File("model.gguf"), model, GgufTensorType.Q8, "small");
            Assert.True(highest - before <= 64 << 20, $"{highest - before} bytes beside the model");
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    [Fact]
    public void The_real_model_gives_the_reference_logits()
    {
        string path = SharedData.Require("models", "llama-2-tiny-random-gguf", "llama-2-tiny-random.gguf");
        using var reference = SafetensorsCheckpoint.Open(SharedData.Require("models", "llama-2-tiny-random-gguf", "expected_logits.safetensors"));
        using var model = ModelFolder.Load(path);
        Assert.Equal(ModelFamily.Llama, model.Configuration.Architecture);
        Assert.Equal((32_000, 8, 1, false), (model.Configuration.VocabularySize, model.Configuration.HiddenSize, model.Configuration.Layers.Length, model.Configuration.TieEmbeddings));
        int[] ids = [.. reference.ReadInt64("ids").Select(id => (int)id)];
        float[] logits = SmallModel.Logits(_device, model, ids), first = ParityFixture.ReadFloats(reference, "logits_first64");
        const int Vocabulary = 32_000, Kept = 64;
        Assert.InRange(Errors.RelativeL2(logits.AsSpan((ids.Length - 1) * Vocabulary), ParityFixture.ReadFloats(reference, "logits_last")), 0, 1e-6);
        long[] likeliest = reference.ReadInt64("argmax");
        for (int row = 0; row < ids.Length; row++)
        {
            ReadOnlySpan<float> own = logits.AsSpan(row * Vocabulary, Vocabulary);
            Assert.InRange(Errors.RelativeL2(own[..Kept], first.AsSpan(row * Kept, Kept)), 0, 1e-6);
            Assert.Equal(likeliest[row], own.ToArray().Index().MaxBy(pair => pair.Item).Index);
        }
    }

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    private static ModelConfiguration Shape(ImmutableArray<LayerConfiguration> layers, bool tied = false) => SmallModel.Configuration(layers, tied, hidden: 64);

    private static float[] Floats(Blocks.WeightSlice slice)
    {
        var view = slice.Parameter.RowsView(slice.RowStart, slice.Rows);
        return Floats(view.Address, (long)view.Rows * view.Columns);
    }

    private static unsafe float[] Floats(nint address, long count) => new Span<float>((void*)address, (int)count).ToArray();
}
