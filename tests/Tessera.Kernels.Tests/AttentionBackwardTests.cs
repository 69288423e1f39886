using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class AttentionBackwardTests
{
    private const double BackwardBound = 5e-6;

    private static readonly (int, int)[] Documents = [.. new[] { 1, 2, 15, 16, 17, 63, 64, 65, 130 }.Select(length => (length, length))];

    [Theory]
    [InlineData(4, 2, 2)]
    [InlineData(4, 2, 8)]
    [InlineData(4, 2, 16)]
    [InlineData(4, 2, 24)]
    [InlineData(2, 1, 32)]
    [InlineData(2, 1, 48)]
    [InlineData(2, 1, 64)]
    [InlineData(2, 1, 128)]
    [InlineData(1, 1, 32)]
    [InlineData(3, 3, 16)]
    [InlineData(8, 1, 16)]
    [InlineData(3, 1, 10)]
    public void Backward_matches_the_reference(int heads, int kvHeads, int headDim)
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(heads, kvHeads, headDim), Documents);
        AssertMatches(problem, device);
    }

    [Fact]
    public void Backward_matches_the_reference_where_a_document_is_taken_in_several_chunks()
    {
        using var device = new CpuDevice(2);
        using var problem = new AttentionProblem(new(4, 1, 8), [(300, 300), (7, 7)]);
        AssertMatches(problem, device);
    }

    [Fact]
    public void Backward_bits_do_not_depend_on_the_number_of_threads()
    {
        using var problem = new AttentionProblem(new(8, 4, 32), Documents);
        using var one = new CpuDevice(1);
        var (output, logSumExp) = problem.Forward(one);
        using var left = problem.Backward(one, output, logSumExp);
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            using var right = problem.Backward(device, output, logSumExp);
            Assert.True(MemoryMarshal.AsBytes(left.Span).SequenceEqual(MemoryMarshal.AsBytes(right.Span)), $"{threads} threads");
        }

        output.Dispose();
        logSumExp.Dispose();
    }

    [Fact]
    public void Backward_refuses_segments_with_cached_keys()
    {
        using var device = new CpuDevice(1);
        var segment = stackalloc AttentionSegment[1];
        *segment = new() { QueryCount = 2, KeyCount = 3 };
        var error = Assert.Throws<ArgumentException>(() => Attention.Backward(
            device, new AttentionShape(1, 1, 8), null, 8, segment, new AttentionBounds(1, 2, 2, 3), null, null, 8, null, null, 8, null,
            null, null, null, 8));
        Assert.Contains("2 queries for 3 keys", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 1, 4, 6)]
    [InlineData(2, 2, 2, 5)]
    public void The_reference_backward_is_the_derivative_of_the_reference_forward(int heads, int kvHeads, int headDim, int tokens)
    {
        var shape = new AttentionShape(heads, kvHeads, headDim);
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

    private static void AssertMatches(AttentionProblem problem, CpuDevice device)
    {
        var (output, logSumExp) = problem.Forward(device);
        using var gradient = problem.Backward(device, output, logSumExp);
        var expected = problem.BackwardReference();
        foreach (var (name, first, width) in new[]
        {
            ("gradient of queries", 0, problem.QueryWidth),
            ("gradient of keys", problem.QueryWidth, problem.KvWidth),
            ("gradient of values", problem.QueryWidth + problem.KvWidth, problem.KvWidth),
        })
        {
            Errors.AssertClose(Columns<float>(gradient.Span), Columns<double>(expected), BackwardBound, name);

            T[] Columns<T>(ReadOnlySpan<T> packed)
            {
                var result = new T[problem.Tokens * width];
                for (int t = 0; t < problem.Tokens; t++)
                {
                    packed.Slice((t * problem.Shape.PackedWidth) + first, width).CopyTo(result.AsSpan(t * width));
                }

                return result;
            }
        }

        output.Dispose();
        logSumExp.Dispose();
    }
}
