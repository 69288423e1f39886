using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Tensors;

namespace Tessera.Models.Tests.Checkpoints;

/// <summary>Models that are read part by part.</summary>
public sealed class StoredPartsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static ImmutableArray<LayerConfiguration> Layers { get; } =
    [
        new(new AttentionConfiguration(2), new SwiGluConfiguration(96)), new(SmallModel.NoMixer, SmallModel.NoFeedForward),
        new(new LinearMixerConfiguration(), new SwiGluConfiguration(64)), new(new AttentionConfiguration(4), SmallModel.NoFeedForward),
    ];

    [Theory]
    [InlineData(null, true, false)]
    [InlineData(DType.F32, false, false)]
    [InlineData(DType.BF16, true, true)]
    [InlineData(DType.Int8, false, false)]
    [InlineData(DType.F32, false, true)]
    public void Parts_have_the_bits_of_the_whole_model(DType? type, bool tied, bool isGguf)
    {
        using var model = SmallModel.Create(Shape(tied));
        string path = Store(model, isGguf);
        using var whole = ModelFolder.Load(path, type);
        using var parts = StoredParts.Open(path, type);
        using var arena = new Arena("test");
        Assert.Equal(whole.Configuration, parts.Configuration);
        AssertSame(whole.Embedding, parts.Embedding(arena));
        AssertSame(whole.Head, parts.Head(arena));
        AssertSame(whole.FinalNorm, parts.FinalNorm(arena));
        for (int i = Layers.Length - 1; i >= 0; i--)
        {
            var layer = parts.Layer(i, arena);
            Assert.Equal(whole.Layers[i].Parameters.Count(), layer.Parameters.Count());
            foreach (var (expected, actual) in whole.Layers[i].Parameters.Zip(layer.Parameters))
            {
                AssertSame(expected, actual);
            }
        }
    }

    [Fact]
    public void Opening_reads_no_weight_and_refuses_what_loading_refuses()
    {
        using var model = SmallModel.Create(Shape(true));
        string path = Store(model, isGguf: false);
        int arenas = Arena.LiveArenas;
        long bytes = Arena.LiveBytes;
        using (StoredParts.Open(path))
        {
            Assert.True(Arena.LiveBytes - bytes < 4 << 20, $"{Arena.LiveBytes - bytes} bytes");
        }

        Assert.Equal(arenas, Arena.LiveArenas);
        string configuration = Path.Combine(path, "config.json");
        File.WriteAllText(configuration, Regex.Replace(File.ReadAllText(configuration), "\"vocab_size\": *\\d+", "\"vocab_size\": 7"));
        string expected = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(path)).Message;
        Assert.Equal(expected, Assert.Throws<InvalidDataException>(() => StoredParts.Open(path)).Message);
        Assert.Equal(arenas, Arena.LiveArenas);
    }

    public void Dispose() => _folder.Dispose();

    private static ModelConfiguration Shape(bool tied) => SmallModel.Configuration(Layers, tied, hidden: 64);

    private string Store(Decoder model, bool isGguf)
    {
        string path = _folder.File(isGguf ? "model.gguf" : "model");
        if (isGguf)
        {
            GgufExport.Write(path, model, GgufTensorType.BF16, "small");
        }
        else
        {
            ModelFolder.Save(path, model, DType.BF16);
        }

        return path;
    }

    private static unsafe void AssertSame(Parameter expected, Parameter actual)
    {
        Assert.Equal((expected.Rows, expected.Columns, expected.Type), (actual.Rows, actual.Columns, actual.Type));
        Assert.True(new ReadOnlySpan<byte>((void*)expected.Address, (int)expected.Bytes).SequenceEqual(new ReadOnlySpan<byte>((void*)actual.Address, (int)actual.Bytes)));
    }
}
