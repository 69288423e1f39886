using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class LinearCrossEntropyTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 3, 2)]
    [InlineData(5, 7, 15)]
    [InlineData(3, 16, 16)]
    [InlineData(64, 17, 33)]
    [InlineData(65, 32, 64)]
    [InlineData(130, 5, 129)]
    [InlineData(7, 24, 8200)]
    public void Losses_and_gradients_match_the_reference(int tokens, int width, int vocabulary)
    {
        const float Scale = 0.5f;
        using var device = new CpuDevice(2);
        using var data = new Data(tokens, width, vocabulary);
        using var loss = new GuardedFloats(tokens);
        using var gradHidden = new GuardedFloats(tokens * width);
        using var gradHead = GuardedFloats.Random(vocabulary * width, 9);
        double[] expectedLoss = new double[tokens], expectedHidden = new double[tokens * width], expectedHead = RowData.Wide(gradHead.Span);
        LinearCrossEntropy.ReferenceRun(
            RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.Targets, RowData.Wide(data.Weights.Span),
            expectedLoss, expectedHidden, expectedHead, width, vocabulary, Scale);

        data.Run(device, loss.Pointer, gradHidden.Pointer, gradHead.Pointer, Scale);
        Errors.AssertClose(loss.Checked(), expectedLoss, 2e-6, "loss");
        Errors.AssertClose(gradHidden.Checked(), expectedHidden, 2e-6, "gradHidden");
        Errors.AssertClose(gradHead.Checked(), expectedHead, 2e-6, "gradHead");
    }

    [Fact]
    public void Gradients_can_be_asked_for_one_by_one()
    {
        using var device = new CpuDevice(1);
        using var data = new Data(9, 6, 40);
        using var loss = new GuardedFloats(9);
        using var onlyLoss = new GuardedFloats(9);
        using var gradHidden = new GuardedFloats(9 * 6);
        using var onlyHidden = new GuardedFloats(9 * 6);
        using var gradHead = GuardedFloats.Zeros(40 * 6);
        using var onlyHead = GuardedFloats.Zeros(40 * 6);
        data.Run(device, loss.Pointer, gradHidden.Pointer, gradHead.Pointer, 1f);
        data.Run(device, onlyLoss.Pointer, null, null, 1f);
        Assert.Equal(loss.Span, onlyLoss.Checked());
        data.Run(device, onlyLoss.Pointer, onlyHidden.Pointer, null, 1f);
        Assert.Equal(gradHidden.Span, onlyHidden.Checked());
        data.Run(device, onlyLoss.Pointer, null, onlyHead.Pointer, 1f);
        Assert.Equal(gradHead.Span, onlyHead.Checked());
    }

    [Fact]
    public void A_batch_of_several_chunks_matches_the_reference_and_skips_chunks_without_weight()
    {
        // The budget leaves 64 tokens a chunk: the batch has three, and the middle one has no weight.
        const int Tokens = 150, Width = 5, Vocabulary = 701;
        const long Budget = 65 * Vocabulary * sizeof(float);
        Assert.Equal(64, LinearCrossEntropy.ChunkTokens(Vocabulary, 1, Budget));
        using var device = new CpuDevice(2);
        using var data = new Data(Tokens, Width, Vocabulary);
        data.Weights.Span.Slice(64, 64).Clear();
        data.Targets.AsSpan(64, 64).Fill(-1);
        using var loss = new GuardedFloats(Tokens);
        using var gradHidden = new GuardedFloats(Tokens * Width);
        using var gradHead = GuardedFloats.Zeros(Vocabulary * Width);
        data.Run(device, loss.Pointer, gradHidden.Pointer, gradHead.Pointer, 1f, 0, Tokens, Budget);

        Assert.Equal(new float[64], loss.Checked().Slice(64, 64));
        Assert.Equal(new float[64 * Width], gradHidden.Checked().Slice(64 * Width, 64 * Width));
        double[] head = RowData.Wide(data.Head.Span), expectedHead = new double[Vocabulary * Width];
        foreach (int t in Enumerable.Range(0, Tokens).Where(t => data.Weights.Span[t] != 0))
        {
            double[] expectedLoss = new double[1], expectedHidden = new double[Width];
            LinearCrossEntropy.ReferenceRun(
                RowData.Wide(data.Hidden.Span.Slice(t * Width, Width)), head, [data.Targets[t]], [data.Weights.Span[t]],
                expectedLoss, expectedHidden, expectedHead, Width, Vocabulary, 1.0);
            Assert.Equal(expectedLoss[0], loss.Span[t], 2e-6 * expectedLoss[0]);
            Errors.AssertClose(gradHidden.Span.Slice(t * Width, Width), expectedHidden, 5e-6, $"gradHidden of token {t}");
        }

        Errors.AssertClose(gradHead.Checked(), expectedHead, 2e-6, "gradHead");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(5000)]
    public void Equal_logits_cost_the_logarithm_of_the_vocabulary(int vocabulary)
    {
        using var device = new CpuDevice(1);
        using var data = new Data(4, 8, vocabulary);
        data.Hidden.Span.Clear();
        data.Weights.Span.Fill(1f);
        data.Targets.AsSpan().Fill(vocabulary / 2);
        using var loss = new GuardedFloats(4);
        data.Run(device, loss.Pointer, null, null, 1f);
        Errors.AssertClose(loss.Span, [.. Enumerable.Repeat(Math.Log(vocabulary), 4)], 1e-7, "loss");
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(80f)]
    [InlineData(-3000f)]
    [InlineData(1e6f)]
    public void A_shift_of_all_logits_changes_nothing(float shift)
    {
        // Head rows are one column each: the first hidden element adds the same to every logit.
        using var device = new CpuDevice(1);
        using var hidden = GuardedFloats.From([shift, 1f]);
        using var head = GuardedFloats.From([1f, 0f, 1f, 1f, 1f, 2f]);
        using var weights = GuardedFloats.From([1f]);
        using var loss = new GuardedFloats(1);
        using var gradHidden = new GuardedFloats(2);
        int target = 1;
        LinearCrossEntropy.Run(
            device, hidden.Pointer, View(head, 3, 2), &target, weights.Pointer, loss.Pointer, gradHidden.Pointer, null, 1, 2, 3, 1f);
        double sum = 1 + Math.Exp(1) + Math.Exp(2);
        Assert.Equal(Math.Log(sum) - 1, loss.Span[0], 1e-6);
        Assert.Equal(0, gradHidden.Span[0], 1e-6);
        Assert.Equal(((Math.Exp(1) + (2 * Math.Exp(2))) / sum) - 1, gradHidden.Span[1], 1e-6);
    }

    [Fact]
    public void The_reference_agrees_with_central_differences()
    {
        const int Width = 3, Vocabulary = 5;
        double[] hidden = RowData.Gaussians(2 * Width, 1), head = RowData.Gaussians(Vocabulary * Width, 2), weights = [0.3, 0.9];
        int[] targets = [4, 1];
        double[] gradHidden = new double[hidden.Length], gradHead = new double[head.Length];
        LinearCrossEntropy.ReferenceRun(hidden, head, targets, weights, new double[2], gradHidden, gradHead, Width, Vocabulary, 1.0);
        double Value(double[] atHidden, double[] atHead)
        {
            var loss = new double[2];
            LinearCrossEntropy.ReferenceRun(
                atHidden, atHead, targets, weights, loss, new double[hidden.Length], new double[head.Length], Width, Vocabulary, 1.0);
            return RowData.Dot(loss, weights);
        }

        RowData.AssertIsGradient(at => Value(at, head), hidden, gradHidden);
        RowData.AssertIsGradient(at => Value(hidden, at), head, gradHead);
    }

    [Fact]
    public void A_bf16_head_gives_what_its_widened_values_give()
    {
        using var device = new CpuDevice(1);
        using var data = new Data(10, 20, 50);
        var halves = new ushort[50 * 20];
        for (int i = 0; i < halves.Length; i++)
        {
            halves[i] = Bf16.Round(data.Head.Span[i]);
            data.Head.Span[i] = Bf16.Widen(halves[i]);
        }

        using var loss = new GuardedFloats(10);
        using var gradHidden = new GuardedFloats(200);
        double[] expectedLoss = new double[10], expectedHidden = new double[200];
        LinearCrossEntropy.ReferenceRun(
            RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.Targets, RowData.Wide(data.Weights.Span),
            expectedLoss, expectedHidden, new double[1000], 20, 50, 1.0);
        fixed (ushort* address = halves)
        fixed (int* targets = data.Targets)
        {
            LinearCrossEntropy.Run(
                device, data.Hidden.Pointer, new MatrixView((nint)address, DType.BF16, 50, 20), targets, data.Weights.Pointer,
                loss.Pointer, gradHidden.Pointer, null, 10, 20, 50, 1f);
        }

        Errors.AssertClose(loss.Span, expectedLoss, 2e-6, "loss");
        Errors.AssertClose(gradHidden.Span, expectedHidden, 2e-6, "gradHidden");
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var data = new Data(70, 33, 301);
        using var loss = new GuardedFloats(70);
        using var gradHidden = new GuardedFloats(70 * 33);
        using var gradHead = GuardedFloats.Zeros(301 * 33);
        data.Run(device, loss.Pointer, gradHidden.Pointer, gradHead.Pointer, 1f);
        return [.. loss.Span, .. gradHidden.Span, .. gradHead.Span];
    });

    [Fact]
    public void Bad_targets_are_named_and_a_wrong_head_is_refused()
    {
        using var device = new CpuDevice(1);
        using var data = new Data(3, 4, 5);
        using var loss = new GuardedFloats(3);
        data.Weights.Span.Fill(1f);
        data.Targets[1] = 4;
        data.Targets[2] = 5;
        Assert.Contains(
            "token 2 has target 5, which is outside the vocabulary of 5",
            Assert.Throws<ArgumentException>(() => data.Run(device, loss.Pointer, null, null, 1f)).Message);
        data.Weights.Span[2] = 0f;
        data.Run(device, loss.Pointer, null, null, 1f);
        Assert.Throws<ArgumentException>(() => LinearCrossEntropy.Run(
            device, data.Hidden.Pointer, View(data.Head, 4, 4), null, data.Weights.Pointer, loss.Pointer, null, null, 3, 4, 5, 1f));
    }

    [Theory]
    [InlineData(1, 1, 16_777_216)]
    [InlineData(49_152, 1, 320)]
    [InlineData(49_152, 2, 128)]
    [InlineData(128_256, 1, 128)]
    [InlineData(128_256, 2, 64)]
    [InlineData(10_000_000, 2, 64)]
    public void Chunks_fill_the_budget_in_steps_of_64_tokens(int vocabulary, int buffers, int tokens) =>
        Assert.Equal(tokens, LinearCrossEntropy.ChunkTokens(vocabulary, buffers, 64L << 20));

    [Fact]
    public void A_step_of_1024_tokens_over_32000_entries_is_one_chunk() => Assert.Equal(1024, LinearCrossEntropy.ChunkTokens(32_000));

    private static MatrixView View(GuardedFloats matrix, int rows, int columns) => new((nint)matrix.Pointer, DType.F32, rows, columns);

    private sealed class Data : IDisposable
    {
        private readonly int _width;
        private readonly int _vocabulary;

        public Data(int tokens, int width, int vocabulary)
        {
            (_width, _vocabulary) = (width, vocabulary);
            Hidden = GuardedFloats.Random(tokens * width, 1);
            Head = GuardedFloats.Random(vocabulary * width, 2, 1f / MathF.Sqrt(width));
            Weights = GuardedFloats.From([.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? 0f : 0.01f * (t + 1))]);
            var random = new CounterRandom(3);
            Targets = [.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? -100 : random.Next(vocabulary))];
        }

        public GuardedFloats Hidden { get; }

        public GuardedFloats Head { get; }

        public GuardedFloats Weights { get; }

        public int[] Targets { get; }

        public void Run(CpuDevice device, float* loss, float* gradHidden, float* gradHead, float scale) =>
            Run(device, loss, gradHidden, gradHead, scale, 0, Targets.Length, LinearCrossEntropy.LogitsBudgetBytes);

        public void Run(
            CpuDevice device, float* loss, float* gradHidden, float* gradHead, float scale, int first, int count, long budgetBytes)
        {
            fixed (int* targets = Targets)
            {
                LinearCrossEntropy.Run(
                    device, Hidden.Pointer + (first * _width), View(Head, _vocabulary, _width), targets + first, Weights.Pointer + first,
                    loss, gradHidden, gradHead, count, _width, _vocabulary, scale, budgetBytes);
            }
        }

        public void Dispose()
        {
            Hidden.Dispose();
            Head.Dispose();
            Weights.Dispose();
        }
    }
}
