using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

/// <summary>
/// Every kernel of attention against the scalar reference on the same rounded numbers. Row strides that are no multiple of 8
/// elements lead to the kernels that cards before 9.0 use, odd ones to those without tensor cores.
/// </summary>
[Trait("Category", Card.Category)]
public sealed class AttentionCudaTests
{
    /// <summary>One key, one below, at and above fragments and tiles, and beyond several tiles.</summary>
    private static readonly (int, int)[] Documents = [.. new[] { 1, 2, 15, 16, 17, 63, 64, 65, 130, 257 }.Select(length => (length, length))];

    /// <summary>Chunks of prompts over what is cached, and single tokens: one part, exactly one, several.</summary>
    private static readonly (int, int)[] Continued =
        [(1, 1), (1, 77), (3, 64), (17, 130), (1, 65), (65, 200), (2, 129), (1, 256), (1, 257), (1, 1030), (40, 600)];

    public static TheoryData<int, int, int> Shapes =>
        new() { { 3, 1, 10 }, { 20, 1, 16 }, { 6, 2, 40 }, { 7, 1, 64 }, { 12, 2, 128 }, { 4, 1, 256 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_and_gradients_of_packed_documents_match_the_reference(int heads, int kvHeads, int headDim)
    {
        using var device = Card.Open();
        foreach (var type in (DType[])[DType.F32, DType.BF16])
        {
            foreach (var (window, spread) in new[] { (0, 0), (0, 4), (5, 0), (70, 4) })
            {
                AssertTraining(device, new(heads, kvHeads, headDim) { Window = window }, type, spread);
            }
        }
    }

    [Theory]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 1)]
    [InlineData(DType.BF16, 2)]
    public void Rows_that_are_hardly_aligned_match_the_reference(DType type, int spread)
    {
        using var device = Card.Open();
        AssertTraining(device, new(4, 2, 24) { Window = 40 }, type, spread);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Prompts_and_single_tokens_over_a_cache_match_the_reference_in_every_combination_of_types(int heads, int kvHeads, int headDim)
    {
        using var device = Card.Open();
        foreach (var (type, stored) in Combinations())
        {
            foreach (int window in (int[])[0, 1, 70])
            {
                foreach (var layout in (KeyLayout[])[KeyLayout.Rows, KeyLayout.Pages])
                {
                    var shape = new AttentionShape(heads, kvHeads, headDim) { Window = window };
                    int spread = layout == KeyLayout.Rows && window == 0 ? 4 : 0;
                    using var problem = new AttentionCardProblem(device, shape, Continued, type, layout, stored, spread);
                    string label = $"{shape} {type.Label()} over {stored.Label()} in {layout}";
                    var (expected, logSums) = problem.ForwardReference();
                    AssertMatches(problem.Forward().Output, expected, Tolerances.Attention(type, stored), label);
                    var (output, sums) = problem.Forward(logSumExp: true);
                    AssertMatches(output, expected, Tolerances.Attention(type, stored), $"{label}, by tiles");
                    AssertMatches(sums!, logSums, Tolerances.LogSumExp, $"{label}, log-sum-exp");
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Long_documents_match_the_reference(DType type)
    {
        using var device = Card.Open();
        foreach (var shape in (AttentionShape[])
            [new(8, 2, 64), new(8, 2, 128) { Window = 200 }, new(4, 4, 16), new(14, 2, 128), new(6, 1, 96), new(5, 1, 64) { Window = 130 }])
        {
            using var problem = new AttentionCardProblem(device, shape, [(700, 700), (333, 333), (1, 1)], type, spread: 8);
            AssertMatches(
                problem.Forward(logSumExp: true).Output, problem.ForwardReference().Output, Tolerances.Attention(type, type), $"{shape}");
            AssertGradients(problem, $"{shape} {type.Label()}");
        }
    }

    [Fact]
    public void Many_short_documents_find_their_tiles()
    {
        using var device = Card.Open();
        (int, int)[] documents = [.. Enumerable.Range(0, 700).Select(i => (i % 9 == 0 ? 70 : 2, i % 9 == 0 ? 70 : 2))];
        using var problem = new AttentionCardProblem(device, new(2, 1, 64), documents, DType.BF16);
        AssertMatches(
            problem.Forward().Output, problem.ForwardReference().Output, Tolerances.Attention(DType.BF16, DType.BF16), "700 documents");
        AssertGradients(problem, "700 documents");
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, 64)]
    [InlineData(DType.BF16, DType.BF16, 64)]
    [InlineData(DType.BF16, DType.F32, 128)]
    [InlineData(DType.BF16, DType.BF16, 24)]
    public void The_same_inputs_give_the_same_bits(DType type, DType stored, int headDim)
    {
        using var device = Card.Open();
        using var packed = new AttentionCardProblem(device, new(6, 2, headDim), Documents, type);
        using var cached = new AttentionCardProblem(device, new(6, 2, headDim), Continued, type, KeyLayout.Pages, stored);
        float[] gradient = packed.Backward(), output = cached.Forward().Output;
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(gradient, packed.Backward());
            Assert.Equal(output, cached.Forward().Output);
        }
    }

    [Theory]
    [InlineData(8, 2, 128, 0)]
    [InlineData(7, 1, 128, 300)]
    [InlineData(8, 2, 64, 0)]
    public void Gradients_that_many_blocks_add_up_have_one_order(int heads, int kvHeads, int headDim, int window)
    {
        using var device = Card.Open();
        (int, int)[] documents = [(1500, 1500), (1, 1), (900, 900), (129, 129)];
        using var problem = new AttentionCardProblem(device, new(heads, kvHeads, headDim) { Window = window }, documents, DType.BF16);
        float[] gradient = problem.Backward(), output = problem.Forward(logSumExp: true).Output;
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(gradient, problem.Backward());
            Assert.Equal(output, problem.Forward(logSumExp: true).Output);
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, 32)]
    [InlineData(DType.BF16, DType.BF16, 64)]
    [InlineData(DType.BF16, DType.BF16, 16)]
    public void Where_keys_lie_and_what_else_is_in_the_step_changes_no_bit(DType type, DType stored, int headDim)
    {
        using var device = Card.Open();
        using var rows = new AttentionCardProblem(device, new(4, 2, headDim), Continued, type, KeyLayout.Rows, stored);
        using var pages = new AttentionCardProblem(device, new(4, 2, headDim), Continued, type, KeyLayout.Pages, stored);
        float[] together = rows.Forward().Output;
        Assert.Equal(together, pages.Forward().Output);

        // Bounds beyond what is there, as a captured step has them, ask for more parts; each part stays what it is.
        Assert.Equal(together, pages.Forward(longestKeys: 5000).Output);
        foreach (var segment in pages.Segments)
        {
            float[] alone = pages.Forward(some: [segment]).Output;
            int first = segment.QueryStart * pages.OutputStride, count = segment.QueryCount * pages.OutputStride;
            Assert.Equal(together[first..(first + count)], alone[first..(first + count)]);
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, 32)]
    [InlineData(DType.BF16, DType.BF16, 128)]
    [InlineData(DType.BF16, DType.BF16, 96)]
    [InlineData(DType.BF16, DType.BF16, 64)]
    [InlineData(DType.BF16, DType.BF16, 16)]
    public void An_invariant_step_gives_a_row_the_bits_of_the_whole_sequence_at_once(DType type, DType stored, int headDim)
    {
        using var device = Card.Open();
        using var problem = new AttentionCardProblem(device, new(4, 2, headDim) { Window = 150 }, [(300, 400)], type, KeyLayout.Pages, stored);
        float[] whole = problem.Forward(logSumExp: true).Output;
        foreach (int chunk in (int[])[1, 7, 64, 100])
        {
            for (int i = 0; i < 300; i += chunk)
            {
                int count = Math.Min(chunk, 300 - i);
                var part = problem.Segments[0] with { QueryStart = 1 + i, QueryCount = count, KeyCount = 100 + i + count };
                if (chunk == 1 && i % 37 != 0)
                {
                    continue;
                }

                float[] output = problem.Forward(invariant: true, some: [part]).Output;
                int first = part.QueryStart * problem.OutputStride, length = count * problem.OutputStride;
                Assert.Equal(whole[first..(first + length)], output[first..(first + length)]);
            }
        }
    }

    [Fact]
    public void Decoding_in_several_launches_gives_the_bits_of_one()
    {
        using var device = Card.Open();
        (int, int)[] tokens = [.. Enumerable.Range(0, 20).Select(i => (1, 200 + (97 * i)))];
        using var problem = new AttentionCardProblem(device, new(8, 1, 64), tokens, DType.BF16, KeyLayout.Pages, DType.BF16);

        // A million keys are 4,096 parts of 8 · 66 floats a sequence, of which seven fit into the room for partial sums.
        Assert.Equal(problem.Forward().Output, problem.Forward(longestKeys: 1 << 20).Output);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void A_captured_step_gives_the_bits_of_an_eager_one(DType type)
    {
        using var device = Card.Open();
        using var problem = new AttentionCardProblem(device, new(4, 2, 64), Continued, type, KeyLayout.Pages, type);
        float[] eager = problem.Forward(longestKeys: 2048).Output;
        Assert.Equal(eager, problem.ForwardCaptured(longestKeys: 2048));
    }

    private static IEnumerable<(DType Type, DType Stored)> Combinations() =>
        [(DType.F32, DType.F32), (DType.F32, DType.BF16), (DType.BF16, DType.F32), (DType.BF16, DType.BF16)];

    private static void AssertTraining(CudaDevice device, AttentionShape shape, DType type, int spread)
    {
        using var problem = new AttentionCardProblem(device, shape, Documents, type, spread: spread);
        string label = $"{shape} {type.Label()}, rows {problem.PackedStride} apart";
        var (expected, expectedLogSums) = problem.ForwardReference();
        var (output, logSums) = problem.Forward(logSumExp: true);
        AssertMatches(output, expected, Tolerances.Attention(type, type), label);
        AssertMatches(logSums!, expectedLogSums, Tolerances.LogSumExp, $"{label}, log-sum-exp");
        AssertMatches(problem.Forward().Output, expected, Tolerances.Attention(type, type), $"{label}, for inference");
        AssertGradients(problem, label);
    }

    private static void AssertGradients(AttentionCardProblem problem, string label)
    {
        float[] actual = problem.Backward();
        double[] expected = problem.BackwardReference();
        int stride = problem.PackedStride, headDim = problem.Shape.HeadDim;
        int queries = problem.Shape.Heads * headDim, keys = queries + (problem.Shape.KvHeads * headDim);
        foreach (var (name, first, end) in new[] { ("queries", 0, queries), ("keys", queries, keys), ("values", keys, problem.Shape.PackedWidth) })
        {
            float[] own = Columns(actual, stride, first, end);
            double[] reference = Columns(expected, stride, first, end);
            AssertMatches(own, reference, Tolerances.AttentionGradient(problem.Type), $"{label}, gradient of {name}");
        }
    }

    private static T[] Columns<T>(T[] rows, int stride, int first, int end)
    {
        var columns = new List<T>(rows.Length);
        for (int row = 0; row < rows.Length; row += stride)
        {
            columns.AddRange(rows.AsSpan(row + first, end - first));
        }

        return [.. columns];
    }

    /// <summary>Relative L2 distance where the reference has numbers; where it has none, nothing may have been written.</summary>
    private static void AssertMatches(float[] actual, double[] expected, double bound, string label)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (float.IsNaN(actual[i]) != double.IsNaN(expected[i]))
            {
                Assert.Fail($"{label}: element {i} is {actual[i]}, expected {expected[i]}");
            }
        }

        Errors.AssertClose(Array.FindAll(actual, x => !float.IsNaN(x)), Array.FindAll(expected, x => !double.IsNaN(x)), bound, label);
    }
}
