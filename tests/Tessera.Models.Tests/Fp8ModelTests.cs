using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.TestSupport;

namespace Tessera.Models.Tests;

/// <summary>Models whose matrices are stored in fp8; the processor stores them and does not run them.</summary>
public sealed unsafe class Fp8ModelTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly TemporaryFolder _folder = new();
    private readonly CpuDevice _device = new(2);

    private static ModelConfiguration Shape => SmallModel.Configuration(hidden: 48);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Matrices_and_a_head_of_its_own_are_fp8_the_table_bf16_and_gains_f32(bool tied)
    {
        using var model = SmallModel.Create(Shape with { TieEmbeddings = tied });
        using var rounded = ModelFolder.Convert(model, DType.FP8);
        Assert.Equal(DType.BF16, rounded.Embedding.Type);
        Assert.Equal(tied ? DType.BF16 : DType.FP8, rounded.Head.Type);
        Assert.Equal(tied, rounded.Head == rounded.Embedding);
        foreach (var parameter in rounded.Parameters.Where(p => p != rounded.Embedding))
        {
            Assert.Equal(parameter.Decays ? DType.FP8 : DType.F32, parameter.Type);
            Assert.Equal(parameter.Type.MatrixBytes(parameter.Rows, parameter.Columns), parameter.Bytes);
        }
    }

    [Theory]
    [InlineData(DType.F32, false)]
    [InlineData(DType.BF16, false)]
    [InlineData(DType.F32, true)]
    public void Loading_rounds_stored_parts_into_the_bytes_of_a_conversion(DType stored, bool onDevice)
    {
        using var made = SmallModel.Create(Shape, type: stored);
        ModelFolder.Save(_folder.FullPath, made, stored);
        using var converted = ModelFolder.Convert(made, DType.FP8);
        using var loaded = ModelFolder.Load(_folder.FullPath, DType.FP8, onDevice ? _device : null);

        // Gains are stored in the type of the file.
        foreach (var (expected, actual) in converted.Parameters.Zip(loaded.Parameters).Where(pair => pair.First.Decays))
        {
            Assert.Equal(SmallModel.Bytes(expected), SmallModel.Bytes(actual));
        }
    }

    [Fact]
    public void Fresh_weights_are_the_rounded_ones_of_f32()
    {
        using var wide = Decoder.Allocate(Shape, DType.F32);
        using var direct = Decoder.Allocate(Shape, DType.FP8);
        using var drawn = Decoder.Allocate(Shape, DType.FP8);
        ModelInitializer.Fill(wide, 4);
        ModelInitializer.Fill(direct, 4);
        ModelInitializer.Fill(drawn, 4, _device);
        using var expected = ModelFolder.Convert(wide, DType.FP8);
        Assert.Equal(SmallModel.AllBytes(expected), SmallModel.AllBytes(direct));
        Assert.Equal(SmallModel.AllBytes(expected), SmallModel.AllBytes(drawn));
    }

    [Fact]
    public void Rounded_weights_move_the_logits_little()
    {
        using var model = SmallModel.Create(Shape, scale: 0.15f);
        using var rounded = ModelFolder.Convert(model, DType.FP8);
        using var wide = ModelFolder.Convert(rounded, DType.F32);
        using var again = ModelFolder.Convert(wide, DType.FP8);
        int[] ids = SmallModel.Ids(40, Vocabulary);
        Assert.InRange(Errors.RelativeL2(SmallModel.Logits(_device, wide, ids), SmallModel.Logits(_device, model, ids)), 5e-3, 0.12);
        Assert.Equal(SmallModel.AllBytes(rounded), SmallModel.AllBytes(again));
    }

    [Fact]
    public void The_processor_does_not_run_it_and_rows_are_not_edited_one_by_one()
    {
        using var model = SmallModel.Create(Shape);
        using var rounded = ModelFolder.Convert(model, DType.FP8);
        Assert.Throws<NotSupportedException>(() => SmallModel.Logits(_device, rounded, SmallModel.Ids(3, Vocabulary)));
        Assert.Throws<InvalidOperationException>(() => rounded.Head.Read(0, 1, (_, _) => { }));
        Assert.Throws<InvalidOperationException>(() => (nint)rounded.Head.Floats);
    }
}
