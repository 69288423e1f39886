using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class QkvEpilogueTests
{
    private const double Epsilon = 1e-5;

    [Theory]
    [InlineData(4, 2, 2, true, true)]
    [InlineData(4, 2, 10, true, true)]
    [InlineData(3, 1, 16, true, true)]
    [InlineData(2, 2, 24, true, true)]
    [InlineData(4, 1, 64, true, true)]
    [InlineData(2, 1, 100, true, true)]
    [InlineData(2, 1, 128, true, true)]
    [InlineData(4, 2, 24, true, false)]
    [InlineData(4, 2, 24, false, true)]
    [InlineData(2, 1, 128, false, true)]
    [InlineData(4, 2, 24, false, false)]
    public void Forward_and_backward_match_the_reference(int heads, int kvHeads, int headDim, bool hasBias, bool hasNorms)
    {
        foreach (int tokens in (int[])[0, 1, 7, 64, 130])
        {
            using var problem = new Problem(new AttentionShape(heads, kvHeads, headDim), tokens, hasBias, hasNorms);
            problem.AssertMatchesReference();
        }
    }

    [Fact]
    public void Without_parts_it_is_the_rotation_bit_for_bit()
    {
        using var problem = new Problem(new AttentionShape(4, 2, 24), 50, false, false);
        using var rotated = GuardedFloats.From(problem.Rows.Span);
        fixed (int* positions = problem.Positions)
        {
            Rope.Forward(problem.Device, rotated.Pointer, problem.Shape.PackedWidth, 6, 24, positions, 50, problem.Table);
            problem.Forward(positions);
        }

        Assert.True(MemoryMarshal.AsBytes(rotated.Span).SequenceEqual(MemoryMarshal.AsBytes(problem.Rows.Span)));
    }

    [Fact]
    public void Bits_do_not_depend_on_the_number_of_threads_or_on_saving()
    {
        var results = new List<(byte[] Rows, byte[] Gradient, byte[] Gains)>();
        foreach (int threads in (int[])[1, 2, 3])
        {
            using var problem = new Problem(new AttentionShape(4, 2, 32), 200, true, true, threads);
            fixed (int* positions = problem.Positions)
            {
                problem.Forward(positions, saves: true);
                byte[] rows = Bytes(problem.Rows);
                problem.Backward(positions);
                results.Add((rows, Bytes(problem.Gradient), Bytes(problem.GradQueryGain)));
            }
        }

        Assert.All(results, result => Assert.Equal(results[0].Rows, result.Rows));
        Assert.All(results, result => Assert.Equal(results[0].Gradient, result.Gradient));
        Assert.All(results, result => Assert.Equal(results[0].Gains, result.Gains));
        using var unsaved = new Problem(new AttentionShape(4, 2, 32), 200, true, true);
        fixed (int* positions = unsaved.Positions)
        {
            unsaved.Forward(positions);
        }

        Assert.Equal(results[0].Rows, Bytes(unsaved.Rows));
    }

    [Fact]
    public void Heads_of_huge_numbers_are_normalised()
    {
        using var problem = new Problem(new AttentionShape(2, 1, 32), 3, false, true);
        foreach (ref float value in problem.Rows.Span)
        {
            value *= 1e25f;
        }

        fixed (int* positions = problem.Positions)
        {
            problem.Forward(positions, saves: true);
        }

        Assert.All(problem.Rows.Span[..(3 * 32)].ToArray(), value => Assert.InRange(value, -20f, 20f));
    }

    // Central differences in double: step 6e-6·max(1, |x|).
    [Fact]
    public void The_reference_backward_is_the_derivative_of_the_reference_forward()
    {
        var shape = new AttentionShape(2, 1, 6);
        double[] frequencies = RopeTable.InverseFrequencies(6, 10_000, null);
        var random = new CounterRandom(9);
        double[][] inputs = [new double[24], new double[24], new double[6], new double[6]];
        double[][] gradients = [new double[24], new double[24], new double[6], new double[6]];
        double[] direction = new double[24];
        foreach (double[] values in (double[][])[.. inputs, direction])
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = random.NextGaussian();
            }
        }

        direction.CopyTo(gradients[0], 0);
        QkvEpilogue.ReferenceBackward(
            shape, inputs[0], inputs[1], inputs[2], inputs[3], Epsilon, 5, frequencies, gradients[0], gradients[1], gradients[2], gradients[3]);
        for (int side = 0; side < 4; side++)
        {
            for (int i = 0; i < inputs[side].Length; i++)
            {
                double x = inputs[side][i], step = 6e-6 * Math.Max(1, Math.Abs(x));
                inputs[side][i] = x + step;
                double above = Objective();
                inputs[side][i] = x - step;
                double below = Objective();
                inputs[side][i] = x;
                Assert.Equal((above - below) / (2 * step), gradients[side][i], 1e-8);
            }
        }

        double Objective()
        {
            double[] row = [.. inputs[0]];
            QkvEpilogue.ReferenceForward(shape, row, inputs[1], inputs[2], inputs[3], Epsilon, 5, frequencies);
            return row.Zip(direction, (a, b) => a * b).Sum();
        }
    }

    [Fact]
    public void Unusable_arguments_are_named()
    {
        using var device = new CpuDevice(1);
        using var table = new RopeTable(8, 10_000, null, 4);
        var shape = new AttentionShape(2, 1, 8);
        float* gain = stackalloc float[1] { 1f };
        int* position = stackalloc int[1] { 4 };
        int* first = stackalloc int[1] { 0 };
        Assert.Contains("elements with a table", Message(new AttentionShape(2, 1, 4), default, first), StringComparison.Ordinal);
        Assert.Contains("one gain is missing", Message(shape, new QkvWeights { QueryGain = gain }, first), StringComparison.Ordinal);
        Assert.Contains("position 4", Message(shape, default, position), StringComparison.Ordinal);
        Assert.Contains("needs its saved input", Assert.Throws<ArgumentException>(() => QkvEpilogue.Backward(
            device, shape, null, new QkvWeights { QueryGain = gain, KeyGain = gain }, default, first, 1, table, null, null)).Message,
            StringComparison.Ordinal);
        Assert.Contains("or neither", Assert.Throws<ArgumentException>(() => QkvEpilogue.Forward(
            device, shape, null, default, first, 1, table, gain, null)).Message, StringComparison.Ordinal);

        string Message(AttentionShape heads, QkvWeights weights, int* at) => Assert.ThrowsAny<ArgumentException>(
            () => QkvEpilogue.Forward(device, heads, null, weights, at, 1, table, null, null)).Message;
    }

    private static byte[] Bytes(GuardedFloats values) => MemoryMarshal.AsBytes(values.Span).ToArray();

    private sealed class Problem : IDisposable
    {
        private readonly GuardedFloats _bias;
        private readonly GuardedFloats _queryGain;
        private readonly GuardedFloats _keyGain;
        private readonly GuardedFloats _gradBias;
        private readonly GuardedFloats _gradKeyGain;
        private readonly GuardedFloats _normInput;
        private readonly GuardedFloats _inverseRms;
        private readonly bool _hasBias;
        private readonly bool _hasNorms;

        public Problem(AttentionShape shape, int tokens, bool hasBias, bool hasNorms, int threads = 2)
        {
            (Shape, _hasBias, _hasNorms) = (shape, hasBias, hasNorms);
            Device = new CpuDevice(threads);
            Table = new RopeTable(shape.HeadDim, 10_000, null, 500);
            Positions = [.. Enumerable.Range(0, Math.Max(1, tokens)).Select(t => t * 37 % 500)];
            Tokens = tokens;
            int width = shape.PackedWidth, rotated = shape.Heads + shape.KvHeads;
            Rows = GuardedFloats.Random((long)tokens * width, 1, misalignment: 1);
            Gradient = GuardedFloats.Random((long)tokens * width, 2, misalignment: 3);
            _bias = GuardedFloats.Random(width, 3);
            _queryGain = GuardedFloats.Random(shape.HeadDim, 4, misalignment: 1);
            _keyGain = GuardedFloats.Random(shape.HeadDim, 5, misalignment: 2);
            _gradBias = GuardedFloats.Random(width, 6);
            GradQueryGain = GuardedFloats.Random(shape.HeadDim, 7);
            _gradKeyGain = GuardedFloats.Random(shape.HeadDim, 8);
            _normInput = new GuardedFloats((long)tokens * rotated * shape.HeadDim, 1);
            _inverseRms = new GuardedFloats((long)tokens * rotated, 1);
        }

        public CpuDevice Device { get; }

        public RopeTable Table { get; }

        public AttentionShape Shape { get; }

        public int Tokens { get; }

        public int[] Positions { get; }

        public GuardedFloats Rows { get; }

        public GuardedFloats Gradient { get; }

        public GuardedFloats GradQueryGain { get; }

        private QkvWeights Weights => new()
        {
            Bias = _hasBias ? _bias.Pointer : null,
            QueryGain = _hasNorms ? _queryGain.Pointer : null,
            KeyGain = _hasNorms ? _keyGain.Pointer : null,
            Epsilon = (float)Epsilon,
        };

        public void Forward(int* positions, bool saves = false) => QkvEpilogue.Forward(
            Device, Shape, Rows.Pointer, Weights, positions, Tokens, Table, saves ? _normInput.Pointer : null,
            saves ? _inverseRms.Pointer : null);

        public void Backward(int* positions) => QkvEpilogue.Backward(
            Device, Shape, Gradient.Pointer, Weights,
            new QkvWeights
            {
                Bias = _hasBias ? _gradBias.Pointer : null,
                QueryGain = _hasNorms ? GradQueryGain.Pointer : null,
                KeyGain = _hasNorms ? _gradKeyGain.Pointer : null,
            },
            positions, Tokens, Table, _normInput.Pointer, _inverseRms.Pointer);

        public void AssertMatchesReference()
        {
            double[] rows = Wide(Rows), bare = Wide(Rows), gradient = Wide(Gradient), gradBias = Wide(_gradBias);
            double[] gradQuery = Wide(GradQueryGain), gradKey = Wide(_gradKeyGain);
            double[] bias = _hasBias ? Wide(_bias) : [], query = _hasNorms ? Wide(_queryGain) : [], key = _hasNorms ? Wide(_keyGain) : [];
            double[] frequencies = RopeTable.InverseFrequencies(Shape.HeadDim, 10_000, null);
            int width = Shape.PackedWidth;
            for (int t = 0; t < Tokens; t++)
            {
                QkvEpilogue.ReferenceForward(
                    Shape, rows.AsSpan(t * width, width), bias, query, key, Epsilon, Positions[t], frequencies);
                QkvEpilogue.ReferenceBackward(
                    Shape, bare.AsSpan(t * width, width), bias, query, key, Epsilon, Positions[t], frequencies,
                    gradient.AsSpan(t * width, width), _hasBias ? gradBias : [], gradQuery, gradKey);
            }

            fixed (int* positions = Positions)
            {
                Forward(positions, saves: true);
                Backward(positions);
            }

            Errors.AssertClose(Rows.Span, rows, 1e-6, "forward");
            Errors.AssertClose(Gradient.Span, gradient, 3e-6, "gradient of the projection");
            Errors.AssertClose(_gradBias.Span, gradBias, 3e-6, "gradient of the bias");
            Errors.AssertClose(GradQueryGain.Span, gradQuery, 3e-6, "gradient of the query gain");
            Errors.AssertClose(_gradKeyGain.Span, gradKey, 3e-6, "gradient of the key gain");
            foreach (var buffer in (GuardedFloats[])[Rows, Gradient, _gradBias, GradQueryGain, _gradKeyGain, _normInput, _inverseRms])
            {
                buffer.AssertGuardsIntact();
            }
        }

        public void Dispose()
        {
            Rows.Dispose();
            Gradient.Dispose();
            GradQueryGain.Dispose();
            _bias.Dispose();
            _queryGain.Dispose();
            _keyGain.Dispose();
            _gradBias.Dispose();
            _gradKeyGain.Dispose();
            _normInput.Dispose();
            _inverseRms.Dispose();
            Table.Dispose();
            Device.Dispose();
        }

        private static double[] Wide(GuardedFloats values) => [.. values.Span.ToArray().Select(value => (double)value)];
    }
}
