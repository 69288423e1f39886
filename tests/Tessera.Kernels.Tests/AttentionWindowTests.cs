using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>Sliding windows: query at position p sees p − W &lt; j ≤ p.</summary>
public unsafe class AttentionWindowTests
{
    private static readonly (int, int)[] Documents = [.. new[] { 1, 2, 16, 63, 64, 65, 130, 200 }.Select(length => (length, length))];

    private static readonly (int, int)[] Continued = [(1, 1), (1, 77), (3, 64), (17, 130), (1, 65), (65, 200), (2, 129), (1, 400), (100, 391)];

    [Theory]
    [InlineData(1, 4, 2, 16)]
    [InlineData(2, 4, 2, 24)]
    [InlineData(5, 8, 1, 16)]
    [InlineData(31, 2, 1, 64)]
    [InlineData(63, 4, 2, 32)]
    [InlineData(64, 4, 2, 32)]
    [InlineData(65, 3, 1, 10)]
    [InlineData(100, 4, 4, 8)]
    [InlineData(1000, 4, 2, 32)]
    public void Forward_and_backward_of_packed_documents_match_the_reference(int window, int heads, int kvHeads, int headDim)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(heads, kvHeads, headDim) { Window = window }, Documents);
        AssertForward(problem, device);
        AssertBackward(problem, device);
    }

    [Theory]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.F32, 48)]
    [InlineData(DType.F32, 128)]
    [InlineData(DType.BF16, 7)]
    [InlineData(DType.BF16, 64)]
    [InlineData(DType.BF16, 129)]
    public void Forward_through_a_cache_matches_the_reference(DType type, int window)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(6, 2, 24) { Window = window }, Continued, type);
        AssertForward(problem, device);
    }

    [Fact]
    public void A_document_of_several_units_and_chunks_matches_the_reference()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 1, 8) { Window = 90 }, [(400, 400), (7, 7)]);
        AssertForward(problem, device);
        AssertBackward(problem, device);
    }

    [Fact]
    public void A_window_as_long_as_the_document_gives_the_bits_of_none()
    {
        using var device = new CpuDevice(2);
        using var plain = new AttentionProblem(new(4, 2, 24), Documents);
        using var windowed = new AttentionProblem(new(4, 2, 24) { Window = 200 }, Documents);
        var (left, leftSums) = plain.Forward(device);
        var (right, rightSums) = windowed.Forward(device);
        Assert.True(SameBits(left, right) && SameBits(leftSums, rightSums));
        using var leftGradient = plain.Backward(device, left, leftSums);
        using var rightGradient = windowed.Backward(device, right, rightSums);
        Assert.True(SameBits(leftGradient, rightGradient));
        Release(left, leftSums, right, rightSums);
    }

    [Theory]
    [InlineData(DType.F32, 33)]
    [InlineData(DType.BF16, 70)]
    public void A_row_has_the_same_bits_alone_and_among_others(DType type, int window)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(6, 2, 24) { Window = window }, Continued, type);
        var (together, logSums) = problem.Forward(device);
        foreach (var segment in problem.Segments)
        {
            for (int i = 0; i < segment.QueryCount; i++)
            {
                var alone = segment with
                {
                    QueryStart = segment.QueryStart + i,
                    QueryCount = 1,
                    KeyCount = segment.KeyCount - segment.QueryCount + i + 1,
                };
                var (output, logSum) = problem.Forward(device, [alone]);
                int row = alone.QueryStart;
                Assert.True(SameRow(together, output, row, problem.QueryWidth) && SameRow(logSums, logSum, row, 6), $"row {row} differs");
                Release(output, logSum);
            }
        }

        Release(together, logSums);
    }

    [Fact]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        using var problem = new AttentionProblem(new(8, 4, 32) { Window = 50 }, Documents);
        using var one = new CpuDevice(1);
        using var three = new CpuDevice(3);
        var (left, leftSums) = problem.Forward(one);
        var (right, rightSums) = problem.Forward(three);
        using var leftGradient = problem.Backward(one, left, leftSums);
        using var rightGradient = problem.Backward(three, right, rightSums);
        Assert.True(SameBits(left, right) && SameBits(leftGradient, rightGradient));
        Release(left, leftSums, right, rightSums);
    }

    // Keys must be finite to be multiplied by a weight of 0; those of tiles before every window are not even read.
    [Fact]
    public void Tiles_before_the_window_are_not_read()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 2, 16) { Window = 70 }, [(2, 300), (1, 200)], DType.F32);
        var (clean, cleanSums) = problem.Forward(device);
        for (int s = 0; s < problem.Segments.Length; s++)
        {
            var segment = problem.Segments[s];
            var (keys, values) = problem.RowZero(s);
            int unread = (segment.KeyCount - segment.QueryCount - 69) / AttentionSegment.PagePositions * AttentionSegment.PagePositions;
            new Span<float>((void*)keys, unread * problem.KvWidth).Fill(float.NaN);
            new Span<float>((void*)values, unread * problem.KvWidth).Fill(float.NaN);
        }

        var (output, logSums) = problem.Forward(device);
        Assert.True(SameBits(clean, output) && SameBits(cleanSums, logSums));
        Release(clean, cleanSums, output, logSums);
    }

    [Theory]
    [InlineData(2, 1, 4, 7, 3)]
    [InlineData(2, 2, 2, 5, 1)]
    public void The_reference_backward_is_the_derivative_of_the_reference_forward(int heads, int kvHeads, int headDim, int tokens, int window)
    {
        var shape = new AttentionShape(heads, kvHeads, headDim) { Window = window };
        int queryLength = tokens * heads * headDim, kvLength = tokens * kvHeads * headDim;
        var random = new CounterRandom(5);
        double[][] inputs = [new double[queryLength], new double[kvLength], new double[kvLength], new double[queryLength]];
        double[][] gradients = [new double[queryLength], new double[kvLength], new double[kvLength]];
        foreach (double[] input in inputs)
        {
            for (int i = 0; i < input.Length; i++)
            {
                input[i] = random.NextGaussian();
            }
        }

        Attention.BackwardReference(shape, inputs[0], inputs[1], inputs[2], inputs[3], gradients[0], gradients[1], gradients[2]);
        for (int side = 0; side < 3; side++)
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
            var output = new double[queryLength];
            Attention.ForwardReference(shape, inputs[0], inputs[1], inputs[2], output, new double[tokens * heads]);
            return output.Zip(inputs[3], (o, g) => o * g).Sum();
        }
    }

    [Fact]
    public void A_window_averages_the_last_values_alone()
    {
        using var device = new CpuDevice(1);
        using var problem = new AttentionProblem(
            new(1, 1, 2) { Window = 10 }, [(100, 100)], null, (_, i) => i % 6 < 4 ? 0 : i / 6);
        var (output, logSumExp) = problem.Forward(device);
        for (int i = 0; i < 100; i++)
        {
            int first = Math.Max(0, i - 9);
            Assert.Equal((first + i) / 2.0, output.Pointer[2 * i], 1e-5 * 50);
            Assert.Equal(Math.Log(i - first + 1), logSumExp.Pointer[i], 1e-6);
        }

        Release(output, logSumExp);
    }

    [Fact]
    public void A_negative_window_is_named()
    {
        var error = Assert.Throws<ArgumentException>(() => (new AttentionShape(2, 1, 8) { Window = -1 }).Validate());
        Assert.Contains("window of -1", error.Message, StringComparison.Ordinal);
    }

    private static void AssertForward(AttentionProblem problem, CpuDevice device)
    {
        var (output, logSumExp) = problem.Forward(device);
        var (expected, expectedLogSums) = problem.ForwardReference();
        Errors.AssertClose(output.Span, expected, 2e-6, "output");

        // Rows that see one key have a log-sum-exp near zero by chance alone; all together are of size 1.
        Errors.AssertClose(logSumExp.Span, expectedLogSums, 2e-6, "log-sum-exp");
        Release(output, logSumExp);
    }

    private static void AssertBackward(AttentionProblem problem, CpuDevice device)
    {
        var (output, logSumExp) = problem.Forward(device);
        using var gradient = problem.Backward(device, output, logSumExp);
        Errors.AssertClose(gradient.Span, problem.BackwardReference(), 5e-6, "gradients");
        Release(output, logSumExp);
    }

    private static bool SameRow(GuardedFloats left, GuardedFloats right, int row, int width) =>
        MemoryMarshal.AsBytes(left.Span.Slice(row * width, width)).SequenceEqual(MemoryMarshal.AsBytes(right.Span.Slice(row * width, width)));

    private static bool SameBits(GuardedFloats left, GuardedFloats right) =>
        MemoryMarshal.AsBytes(left.Span).SequenceEqual(MemoryMarshal.AsBytes(right.Span));

    private static void Release(params ReadOnlySpan<GuardedFloats> buffers)
    {
        foreach (var buffer in buffers)
        {
            buffer.Dispose();
        }
    }
}
