using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;
using Tessera.Tensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests;

/// <summary>Models whose matrices are stored in int8 or int4 groups.</summary>
public sealed unsafe class QuantizedModelTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly TemporaryFolder _folder = new();
    private readonly CpuDevice _device = new(2);

    // Heads of 12 make the rows of a packed projection begin anywhere in a tile, and 48 columns end in half a group.
    private static ModelConfiguration Shape => SmallModel.Configuration(hidden: 48);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Matrices_are_of_the_asked_type_table_and_head_at_least_int8_and_gains_f32(DType type)
    {
        using var model = SmallModel.Create(Shape);
        using var rounded = ModelFolder.Convert(model, type);
        Assert.Equal(DType.Int8, rounded.Embedding.Type);
        Assert.Equal(DType.Int8, rounded.Head.Type);
        foreach (var parameter in rounded.Parameters.Where(p => p != rounded.Embedding && p != rounded.Head))
        {
            Assert.Equal(parameter.Decays ? type : DType.F32, parameter.Type);
            Assert.Equal(parameter.Type.MatrixBytes(parameter.Rows, parameter.Columns), parameter.Bytes);
        }
    }

    [Theory]
    [InlineData(DType.Int8, DType.F32)]
    [InlineData(DType.Int4, DType.F32)]
    [InlineData(DType.Int8, DType.BF16)]
    public void Loading_rounds_stored_parts_into_the_bytes_of_a_conversion(DType type, DType stored)
    {
        using var made = SmallModel.Create(Shape, type: stored);
        ModelFolder.Save(_folder.FullPath, made, stored);
        using var converted = ModelFolder.Convert(made, type);
        using var loaded = ModelFolder.Load(_folder.FullPath, type);
        foreach (var (expected, actual) in converted.Parameters.Zip(loaded.Parameters).Where(pair => pair.First.Type.IsGrouped()))
        {
            Assert.Equal(SmallModel.Bytes(expected), SmallModel.Bytes(actual));
        }
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void A_conversion_back_gives_the_rounded_weights_and_converts_again_to_the_same_function(DType type)
    {
        using var model = SmallModel.Create(Shape, scale: 0.15f);
        using var rounded = ModelFolder.Convert(model, type);
        using var wide = ModelFolder.Convert(rounded, DType.F32);
        foreach (var (before, after, groups) in model.Parameters.Zip(wide.Parameters, rounded.Parameters))
        {
            double bound = groups.Type switch { DType.F32 => 0, DType.Int8 => 6.1e-3, _ => 0.112 };
            Assert.InRange(Errors.RelativeL2(Floats(after), Floats(before)), 0, bound);
        }

        // The same integers, so all that differs is the rounding of tokens: what int8 costs beyond its weights.
        int[] ids = SmallModel.Ids(30, Vocabulary);
        double error = Errors.RelativeL2(SmallModel.Logits(_device, rounded, ids), SmallModel.Logits(_device, wide, ids));
        Assert.InRange(error, 1e-4, 0.03);
    }

    [Fact]
    public void Int8_moves_the_logits_little_and_int4_more()
    {
        using var model = SmallModel.Create(Shape, scale: 0.15f);
        int[] ids = SmallModel.Ids(40, Vocabulary);
        float[] expected = SmallModel.Logits(_device, model, ids);
        using var int8 = ModelFolder.Convert(model, DType.Int8);
        using var int4 = ModelFolder.Convert(model, DType.Int4);
        double fine = Errors.RelativeL2(SmallModel.Logits(_device, int8, ids), expected);
        double coarse = Errors.RelativeL2(SmallModel.Logits(_device, int4, ids), expected);
        Assert.InRange(fine, 1e-4, 0.03);
        Assert.InRange(coarse, 2 * fine, 0.4);
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void A_token_at_a_time_through_the_cache_has_the_bits_of_the_whole_without_being_told_to(DType type)
    {
        using var model = SmallModel.Create(Shape);
        using var rounded = ModelFolder.Convert(model, type);
        int[] ids = SmallModel.Ids(33, Vocabulary);
        float[] whole = SmallModel.Logits(_device, rounded, ids);
        using var cache = new KeyValueCache(rounded.Configuration, 1, ids.Length, DType.F32);
        var pieces = new List<float>();
        foreach (int count in (int[])[1, 1, 7, 1, 20, 2, 1])
        {
            using var arena = new Arena("step");
            var executor = new Executor(_device, arena, null);
            int past = cache.Length(0);
            var step = StepBatch.Create(arena, ids.AsSpan(past, count), [new SequenceSpan(0, count, past, 0)]);
            pieces.AddRange(SmallModel.Copy(executor.Linear(rounded.Forward(executor, step, cache), rounded.Head)));
        }

        Assert.Equal(whole, pieces);
        Assert.Equal(SmallModel.InvariantLogits(_device, rounded, ids), whole);
    }

    [Fact]
    public void Log_probabilities_over_a_rounded_head_are_those_of_its_logits()
    {
        using var model = SmallModel.Create(Shape);
        using var rounded = ModelFolder.Convert(model, DType.Int8);
        int[] ids = SmallModel.Ids(20, Vocabulary);
        double[] expected = SmallModel.LogProbabilities(SmallModel.Logits(_device, rounded, ids), Vocabulary);
        using var arena = new Arena("scores");
        var hidden = rounded.Forward(new Executor(_device, arena, null), StepBatch.Single(arena, ids));
        int[] targets = [.. Enumerable.Range(0, 20).Select(i => i * 7 % Vocabulary)];
        using var weights = GuardedFloats.From([.. Enumerable.Repeat(1f, 20)]);
        using var loss = new GuardedFloats(20);
        using var logProb = new GuardedFloats(20);
        fixed (int* pointer = targets)
        {
            LinearCrossEntropy.Run(
                _device, hidden.Data, rounded.Head.View, pointer, weights.Pointer, loss.Pointer, null, null, 20, 48, Vocabulary, 1f);
            LinearLogProb.Run(
                _device, hidden.Data, rounded.Head.View, pointer, weights.Pointer, 1f, logProb.Pointer, null, 20, 48, Vocabulary);
        }

        for (int t = 0; t < 20; t++)
        {
            Assert.Equal(-expected[(t * Vocabulary) + targets[t]], loss.Span[t], 1e-5);
            Assert.Equal(-loss.Span[t], logProb.Span[t]);
        }
    }

    [Fact]
    public void A_weight_that_is_no_number_is_refused_with_file_tensor_and_row()
    {
        using var model = SmallModel.Create(Shape);
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        var attention = (AttentionBlock)model.Layers[0].Mixer!;
        attention.Projection.Floats[(50 * 48) + 33] = float.NaN;
        SafetensorsWriter.Write(
            _folder.File("model.safetensors"),
            [.. WeightMap.Slices(model).Select(slice => new TensorToWrite(
                slice.Name, DType.F32, slice.Shape, slice.Parameter.RowsView(slice.RowStart, slice.Rows).Address))]);
        ModelFolder.Load(_folder.FullPath, DType.F32).Dispose();
        string message = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder.FullPath, DType.Int8)).Message;

        // 48 query rows come first, so row 50 of the packed projection is row 2 of the keys.
        Assert.Contains("model.layers.0.self_attn.k_proj.weight", message, StringComparison.Ordinal);
        Assert.Contains("row 2, columns from 32", message, StringComparison.Ordinal);
        Assert.Contains("int8", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Fresh_weights_are_the_rounded_fresh_weights()
    {
        using var wide = Decoder.Allocate(Shape, DType.F32);
        ModelInitializer.Fill(wide, 3);
        using var expected = ModelFolder.Convert(wide, DType.Int4);
        using var direct = Decoder.Allocate(Shape, DType.Int4);
        ModelInitializer.Fill(direct, 3);
        Assert.Equal(SmallModel.AllBytes(expected), SmallModel.AllBytes(direct));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void A_device_fills_its_own_memory_with_the_same_weights(DType type)
    {
        using var expected = Decoder.Allocate(Shape, type);
        ModelInitializer.Fill(expected, 3);
        using var processor = new CpuDevice(3);
        using var direct = Decoder.Allocate(Shape, type, processor);
        ModelInitializer.Fill(direct, 3, processor);
        Assert.Equal(SmallModel.AllBytes(expected), SmallModel.AllBytes(direct));
    }

    [Fact]
    public void Training_and_rows_without_a_view_are_refused()
    {
        using var model = SmallModel.Create(Shape);
        using var rounded = ModelFolder.Convert(model, DType.Int8);
        var projection = ((AttentionBlock)rounded.Layers[0].Mixer!).Projection;
        using var arena = new Arena("gradients");
        Assert.Contains("int8", Assert.Throws<InvalidOperationException>(() => projection.Train(arena)).Message, StringComparison.Ordinal);
        Assert.Contains("row 3", Assert.Throws<InvalidOperationException>(() => projection.RowsView(3, 4)).Message, StringComparison.Ordinal);
        Assert.Equal(projection.Address + (nint)DType.Int8.MatrixBytes(16, 48), projection.RowsView(16, 4).Address);
    }

    private static float[] Floats(Parameter parameter) => new Span<float>(parameter.Floats, (int)parameter.Count).ToArray();
}
