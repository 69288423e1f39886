using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class AttentionTests
{
    private const double ForwardBound = 2e-6;

    /// <summary>One key, one below, at and above a vector and a tile, and beyond two tiles.</summary>
    private static readonly (int, int)[] Documents = [.. new[] { 1, 2, 15, 16, 17, 63, 64, 65, 130 }.Select(length => (length, length))];

    private static readonly (int, int)[] Continued = [(1, 1), (1, 77), (3, 64), (17, 130), (1, 65), (65, 200), (2, 129)];

    [Theory]
    [InlineData(4, 2, 2)]
    [InlineData(4, 2, 8)]
    [InlineData(4, 2, 16)]
    [InlineData(4, 2, 24)]
    [InlineData(2, 1, 32)]
    [InlineData(4, 2, 48)]
    [InlineData(2, 1, 64)]
    [InlineData(2, 1, 128)]
    [InlineData(1, 1, 32)]
    [InlineData(3, 3, 16)]
    [InlineData(4, 1, 32)]
    [InlineData(8, 1, 16)]
    [InlineData(3, 1, 10)]
    public void Forward_of_packed_documents_matches_the_reference(int heads, int kvHeads, int headDim)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(heads, kvHeads, headDim), Documents);
        AssertMatches(problem, device);
    }

    [Theory]
    [InlineData(DType.F32, 4, 2, 32)]
    [InlineData(DType.F32, 4, 1, 24)]
    [InlineData(DType.F32, 2, 1, 128)]
    [InlineData(DType.BF16, 4, 2, 32)]
    [InlineData(DType.BF16, 8, 1, 8)]
    [InlineData(DType.BF16, 3, 3, 48)]
    [InlineData(DType.BF16, 2, 1, 128)]
    public void Forward_through_a_cache_matches_the_reference_on_the_stored_values(DType type, int heads, int kvHeads, int headDim)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(heads, kvHeads, headDim), Continued, type);
        AssertMatches(problem, device);
    }

    [Fact]
    public void Forward_matches_the_reference_where_a_document_is_split_into_several_units()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 1, 8), [(300, 300), (7, 7)]);
        AssertMatches(problem, device);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void A_row_has_the_same_bits_alone_and_among_others(DType type)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(6, 2, 24), Continued, type);
        var (together, logSums) = problem.Forward(device);
        using var keepTogether = together;
        using var keepLogSums = logSums;
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
                AssertSameRow(together, output, alone.QueryStart, problem.QueryWidth);
                AssertSameRow(logSums, logSum, alone.QueryStart, problem.Shape.Heads);
                output.Dispose();
                logSum.Dispose();
            }
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(24)]
    public void Cached_f32_keys_give_the_bits_of_keys_in_the_projection_buffer(int headDim)
    {
        using var device = new CpuDevice(2);
        (int, int)[] documents = [(130, 130), (5, 5)];
        using var packed = new AttentionProblem(new(4, 2, headDim), documents);
        using var cached = new AttentionProblem(new(4, 2, headDim), documents, DType.F32);
        AssertSameBits(packed.Forward(device), cached.Forward(device));
    }

    [Fact]
    public void Forward_bits_do_not_depend_on_the_number_of_threads_or_the_order_of_segments()
    {
        using var problem = new AttentionProblem(new(8, 4, 32), Documents);
        using var one = new CpuDevice(1);
        AttentionSegment[] reversed = [.. problem.Segments.Reverse()];
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            AssertSameBits(problem.Forward(one), problem.Forward(device));
            AssertSameBits(problem.Forward(one), problem.Forward(device, reversed));
        }
    }

    [Theory]
    [InlineData(DType.F32, 16)]
    [InlineData(DType.F32, 20)]
    [InlineData(DType.BF16, 32)]
    public void Keys_in_scattered_pages_give_the_bits_of_keys_in_a_row(DType type, int headDim)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 2, headDim), [(1, 200), (70, 130), (64, 64), (3, 1 + (3 * 64))], type);
        long pageBytes = (long)AttentionSegment.PagePositions * problem.KvWidth * type.Bytes();
        using var pages = new Arena("pages");
        AttentionSegment[] scattered = [.. problem.Segments];
        byte* keys = (byte*)pages.AllocateZeroed(scattered.Length * 5 * pageBytes);
        byte* values = (byte*)pages.AllocateZeroed(scattered.Length * 5 * pageBytes);
        for (int s = 0; s < scattered.Length; s++)
        {
            // Page i of a sequence goes where page 7·i + 3 modulo 5 of its five would be: neither in order nor side by side.
            ref var segment = ref scattered[s];
            int count = (segment.KeyCount + AttentionSegment.PagePositions - 1) / AttentionSegment.PagePositions;
            var (oldKeys, oldValues) = problem.RowZero(s);
            segment.Pages = (int*)pages.Allocate(count * sizeof(int));
            for (int i = 0; i < count; i++)
            {
                int page = (5 * s) + (((7 * i) + 3) % 5);
                long bytes = Math.Min(pageBytes, ((long)segment.KeyCount * problem.KvWidth * type.Bytes()) - (i * pageBytes));
                Buffer.MemoryCopy((byte*)oldKeys + (i * pageBytes), keys + (page * pageBytes), pageBytes, bytes);
                Buffer.MemoryCopy((byte*)oldValues + (i * pageBytes), values + (page * pageBytes), pageBytes, bytes);
                segment.Pages[i] = page;
            }
        }

        AssertSameBits(problem.Forward(device), problem.Forward(device, scattered, (nint)keys, (nint)values));
    }

    [Fact]
    public void Rows_outside_the_segments_are_not_touched()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(2, 1, 16), [(20, 20), (3, 3), (40, 40)]);
        var (output, logSumExp) = problem.Forward(device, [problem.Segments[0], problem.Segments[2]]);
        Assert.True(output.Span.Slice(20 * problem.QueryWidth, 3 * problem.QueryWidth).IndexOfAnyExcept(float.NaN) < 0);
        Assert.Equal(3 * problem.QueryWidth, output.Span.ToArray().Count(float.IsNaN));
        Assert.Equal(3 * problem.Shape.Heads, logSumExp.Span.ToArray().Count(float.IsNaN));
        output.Dispose();
        logSumExp.Dispose();
    }

    [Fact]
    public void Scores_of_tens_of_thousands_neither_overflow_nor_lose_the_softmax()
    {
        // Integers up to 60 with E = 16: every score is a multiple of 1/4 below 2^24 and exact in f32.
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 2, 16), Documents, null, (random, _) => random.Next(-60, 60));
        AssertMatches(problem, device);
    }

    [Fact]
    public void Equal_scores_average_the_values()
    {
        using var device = new CpuDevice(1);
        using var problem = new AttentionProblem(new(1, 1, 2), [(100, 100)], null, (_, i) => i % 6 < 4 ? 0 : i / 6);
        var (output, logSumExp) = problem.Forward(device);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(i / 2.0, output.Pointer[2 * i], 1e-5 * 50);
            Assert.Equal(Math.Log(i + 1), logSumExp.Pointer[i], 1e-6);
        }

        output.Dispose();
        logSumExp.Dispose();
    }

    [Fact]
    public void A_row_that_is_not_a_number_stays_alone()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 2, 16), [(70, 70)]);
        var (clean, cleanLogSums) = problem.Forward(device);
        problem.Packed.Pointer[(66L * problem.Shape.PackedWidth) + 5] = float.NaN;
        var (output, logSumExp) = problem.Forward(device);
        for (int i = 0; i < 70 * 4; i++)
        {
            var head = output.Span.Slice(16 * i, 16);
            Assert.Equal(i == 66 * 4, head.IndexOfAnyExcept(float.NaN) < 0);
            Assert.True(i == 66 * 4 || head.SequenceEqual(clean.Span.Slice(16 * i, 16)), $"row and head {i} changed");
        }

        foreach (var buffer in new[] { clean, cleanLogSums, output, logSumExp })
        {
            buffer.Dispose();
        }
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 2, 32), Documents);
        using var output = new GuardedFloats((long)problem.Tokens * problem.QueryWidth);
        using var logSumExp = new GuardedFloats((long)problem.Tokens * problem.Shape.Heads);
        using var gradient = new GuardedFloats((long)problem.Tokens * problem.Shape.PackedWidth);
        fixed (AttentionSegment* segments = problem.Segments)
        {
            Step(segments);
            Step(segments);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step(segments);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        void Step(AttentionSegment* segments)
        {
            float* packed = problem.Packed.Pointer;
            int stride = problem.Shape.PackedWidth, width = problem.QueryWidth;
            var bounds = AttentionBounds.Of(new ReadOnlySpan<AttentionSegment>(segments, problem.Segments.Length));
            float* gradKeys = gradient.Pointer + width;
            Attention.Forward(
                device, problem.Shape, packed, stride, segments, bounds, packed + width, packed + width + problem.KvWidth, stride,
                output.Pointer, width, logSumExp.Pointer);
            Attention.Backward(
                device,
                problem.Shape,
                packed,
                stride,
                segments,
                bounds,
                packed + width,
                packed + width + problem.KvWidth,
                stride,
                output.Pointer,
                problem.GradOutput.Pointer,
                width,
                logSumExp.Pointer,
                gradient.Pointer,
                gradKeys,
                gradKeys + problem.KvWidth,
                stride);
        }
    }

    [Fact]
    public void The_exponential_is_within_its_bound_and_exact_at_zero_and_minus_infinity()
    {
        double worst = 0;
        for (double x = -86.5; x <= 88; x += 0.001_37)
        {
            double exact = Math.Exp((float)x);
            worst = Math.Max(worst, Math.Abs(Exp((float)x) - exact) / exact);
        }

        Assert.True(worst <= 3e-7, $"relative error {worst:E2}");
        Assert.Equal(1f, Exp(0f));
        Assert.Equal(1f, Exp(-0f));
        Assert.Equal(0f, Exp(float.NegativeInfinity));
        Assert.Equal(0f, Exp(-87f));
        Assert.Equal(0f, Exp(-1e30f));
        Assert.Equal(float.PositiveInfinity, Exp(float.PositiveInfinity));
        Assert.True(float.IsNaN(Exp(float.NaN)));
    }

    [Fact]
    public void Unusable_arguments_are_named()
    {
        using var device = new CpuDevice(1);
        Assert.Contains("3 query heads", Error(new AttentionShape(3, 2, 16), 0, 0, 1000), StringComparison.Ordinal);
        Assert.Contains("dimension 7", Error(new AttentionShape(2, 2, 7), 0, 0, 1000), StringComparison.Ordinal);
        Assert.Contains("5 queries", Error(new AttentionShape(2, 2, 8), 5, 4, 1000), StringComparison.Ordinal);
        Assert.Contains("queryStride is 15", Error(new AttentionShape(2, 2, 8), 1, 1, 15), StringComparison.Ordinal);

        string Error(AttentionShape shape, int queries, int keys, long stride)
        {
            var segment = stackalloc AttentionSegment[1];
            *segment = new() { QueryCount = queries, KeyCount = keys };
            return Assert.ThrowsAny<ArgumentException>(
                () => Attention.Forward(
                    device, shape, null, stride, segment, new AttentionBounds(1, queries, queries, keys), null, null, stride, null, stride,
                    null)).Message;
        }
    }

    private static float Exp(float x) => AttentionExponential.Exp(Vector512.Create(x)).ToScalar();

    private static void AssertMatches(AttentionProblem problem, CpuDevice device)
    {
        var (output, logSumExp) = problem.Forward(device);
        var (expected, expectedLogSums) = problem.ForwardReference();
        Errors.AssertClose(output.Span, expected, ForwardBound, "output");
        Errors.AssertClose(logSumExp.Span, expectedLogSums, ForwardBound, "log-sum-exp");
        output.Dispose();
        logSumExp.Dispose();
    }

    private static void AssertSameRow(GuardedFloats expected, GuardedFloats actual, int row, int width)
    {
        var left = MemoryMarshal.AsBytes(expected.Span.Slice(row * width, width));
        var right = MemoryMarshal.AsBytes(actual.Span.Slice(row * width, width));
        Assert.True(left.SequenceEqual(right), $"row {row} differs");
    }

    private static void AssertSameBits(
        (GuardedFloats Output, GuardedFloats LogSums) left, (GuardedFloats Output, GuardedFloats LogSums) right)
    {
        Assert.True(MemoryMarshal.AsBytes(left.Output.Span).SequenceEqual(MemoryMarshal.AsBytes(right.Output.Span)), "outputs differ");
        Assert.True(MemoryMarshal.AsBytes(left.LogSums.Span).SequenceEqual(MemoryMarshal.AsBytes(right.LogSums.Span)), "log-sums differ");
        foreach (var buffer in new[] { left.Output, left.LogSums, right.Output, right.LogSums })
        {
            buffer.Dispose();
        }
    }
}
