using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class LinearPolicyTests
{
    public static TheoryData<PolicySettings> Variants =>
    [
        new PolicySettings(), new PolicySettings { ClipHigh = 0.28f, DualClip = 3f }, new PolicySettings { KlWeight = 0.3f },
        new PolicySettings { KlWeight = 0.3f, KlGradient = KlGradient.OnPolicy, Temperature = 0.7f, DualClip = 2f },
    ];

    [Theory]
    [MemberData(nameof(Variants))]
    public void Losses_and_gradients_match_the_reference(PolicySettings settings)
    {
        foreach (var (tokens, width, vocabulary) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 3), (5, 7, 15), (65, 32, 64), (130, 17, 33), (7, 24, 8200)])
        {
            using var device = new CpuDevice(2);
            using var data = new PolicyData(tokens, width, vocabulary);
            data.Surround(settings);
            using var output = new Output(tokens, width, vocabulary);
            double[] loss = new double[tokens], gradHidden = new double[tokens * width], gradHead = RowData.Wide(output.GradHead.Span);
            LinearPolicy.ReferenceRun(
                RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.ReferenceTokens(settings.KlWeight > 0), settings, loss,
                gradHidden, gradHead, width, vocabulary, 0.5);
            output.Run(device, data, settings, 0.5f);
            Errors.AssertClose(output.Loss.Checked(), loss, 5e-6, $"loss of {tokens} tokens");
            Errors.AssertClose(output.GradHidden.Checked(), gradHidden, 5e-6, $"gradHidden of {tokens} tokens");
            Errors.AssertClose(output.GradHead.Checked(), gradHead, 5e-6, $"gradHead of {tokens} tokens");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_reference_agrees_with_central_differences(PolicySettings settings)
    {
        const int Tokens = 12, Width = 3, Vocabulary = 5;

        // The on-policy gradient is on purpose not that of the value: its own test follows.
        settings = settings with { KlGradient = KlGradient.Value };
        using var data = new PolicyData(Tokens, Width, Vocabulary);
        data.Surround(settings);
        double[] hidden = RowData.Wide(data.Hidden.Span), head = RowData.Wide(data.Head.Span), weights = RowData.Wide(data.Weights.Span);
        var tokens = data.ReferenceTokens(settings.KlWeight > 0);
        double[] gradHidden = new double[hidden.Length], gradHead = new double[head.Length];
        LinearPolicy.ReferenceRun(hidden, head, tokens, settings, new double[Tokens], gradHidden, gradHead, Width, Vocabulary, 1.0);
        double Value(double[] atHidden, double[] atHead)
        {
            var loss = new double[Tokens];
            LinearPolicy.ReferenceRun(
                atHidden, atHead, tokens, settings, loss, new double[hidden.Length], new double[head.Length], Width, Vocabulary, 1.0);
            return RowData.Dot(loss, weights);
        }

        RowData.AssertIsGradient(at => Value(at, head), hidden, gradHidden);
        RowData.AssertIsGradient(at => Value(hidden, at), head, gradHead);
    }

    [Fact]
    public void The_on_policy_kl_gradient_is_in_expectation_that_of_the_divergence()
    {
        // One token, logits = hidden with the identity as head: every next token once, weighted by its probability.
        const int Vocabulary = 4;
        double[] logits = [0.3, -1.1, 0.8, 0.1], reference = [-0.4, 0.2, 0.5, -1.0];
        double[] logP = LogSoftmax(logits), logQ = LogSoftmax(reference), head = new double[Vocabulary * Vocabulary];
        for (int v = 0; v < Vocabulary; v++)
        {
            head[(v * Vocabulary) + v] = 1;
        }

        var expectation = new double[Vocabulary];
        var settings = new PolicySettings { KlWeight = 1f, KlGradient = KlGradient.OnPolicy };
        for (int y = 0; y < Vocabulary; y++)
        {
            double[] gradient = new double[Vocabulary];
            LinearPolicy.ReferenceRun(
                logits, head, [new LinearPolicy.ReferenceToken(y, 1, 0, logP[y], logQ[y], 1)], settings, new double[1], gradient,
                new double[head.Length], Vocabulary, Vocabulary, Math.Exp(logP[y]));
            for (int v = 0; v < Vocabulary; v++)
            {
                expectation[v] += gradient[v];
            }
        }

        RowData.AssertIsGradient(
            at => LogSoftmax(at).Select((log, v) => Math.Exp(log) * (log - logQ[v])).Sum(), logits, expectation);
    }

    [Fact]
    public void A_policy_that_was_not_updated_has_no_loss_on_balanced_advantages_but_a_gradient()
    {
        using var device = new CpuDevice(2);
        using var data = new PolicyData(8, 12, 50);
        data.Weights.Span.Fill(1f);
        data.Targets.AsSpan().Fill(7);
        for (int t = 0; t < 8; t++)
        {
            data.Advantages.Span[t] = t % 2 == 0 ? 1f : -1f;
            data.Correction.Span[t] = 1f;
        }

        fixed (int* targets = data.Targets)
        {
            LinearLogProb.Run(
                device, data.Hidden.Pointer, data.HeadView, targets, data.Weights.Pointer, 1f, data.Old.Pointer, null, 8, 12, 50);
        }

        using var output = new Output(8, 12, 50);
        output.Run(device, data, new PolicySettings(), 1f);
        Assert.Equal(data.Old.Span, output.LogProb.Checked());
        for (int t = 0; t < 8; t++)
        {
            Assert.Equal(-data.Advantages.Span[t], output.Loss.Span[t]);
        }

        Assert.All(output.Clip, clip => Assert.Equal(PolicyClip.None, clip));
        Assert.Contains(output.GradHidden.Span.ToArray(), value => Math.Abs(value) > 0.01f);

        // Without old log-probabilities the policy is its own: the same bits.
        using var self = new Output(8, 12, 50);
        self.Run(device, data, new PolicySettings(), 1f, withOld: false);
        Assert.Equal(output.GradHidden.Span, self.GradHidden.Span);
        Assert.Equal(output.GradHead.Span, self.GradHead.Span);
    }

    [Theory]
    [InlineData(1f, 1.5, PolicyClip.High, -1.2, false)]
    [InlineData(1f, 0.5, PolicyClip.None, -0.5, true)]
    [InlineData(-1f, 0.5, PolicyClip.Low, 0.8, false)]
    [InlineData(-1f, 1.5, PolicyClip.None, 1.5, true)]
    [InlineData(-1f, 4.0, PolicyClip.Dual, 3.0, false)]
    [InlineData(1f, 4.0, PolicyClip.High, -1.2, false)]
    [InlineData(0f, 4.0, PolicyClip.None, 0.0, false)]
    public void Each_clip_stops_the_gradient_of_its_side(float advantage, double ratio, PolicyClip clip, double loss, bool flows)
    {
        var settings = new PolicySettings { DualClip = 3f };
        using var device = new CpuDevice(1);
        using var data = new PolicyData(1, 4, 9);
        data.Surround(settings);
        data.Weights.Span.Fill(1f);
        data.Correction.Span.Fill(1f);
        data.Advantages.Span.Fill(advantage);
        using var output = new Output(1, 4, 9);
        output.Run(device, data, settings, 1f);
        data.Old.Span[0] = (float)(output.LogProb.Span[0] - Math.Log(ratio));
        output.Run(device, data, settings, 1f);
        Assert.Equal(clip, output.Clip[0]);
        Assert.Equal(loss, output.Loss.Span[0], 1e-5);
        Assert.Equal(flows, output.GradHidden.Span.ContainsAnyExcept(0f));
    }

    [Theory]
    [InlineData(-1.0, 0.3679)]
    [InlineData(-0.1, 0.004837)]
    [InlineData(0.1, 0.005171)]
    [InlineData(1.0, 0.7183)]
    [InlineData(0.0, 0.0)]
    [InlineData(15.0, 10.0)]
    [InlineData(-1000.0, 10.0)]
    public void The_kl_estimate_has_its_published_values_and_its_bounds(double difference, double expected)
    {
        using var device = new CpuDevice(1);
        using var data = new PolicyData(1, 4, 9);
        var settings = new PolicySettings { KlWeight = 1f };
        data.Surround(settings);
        data.Weights.Span.Fill(1f);
        data.Advantages.Span.Clear();
        using var output = new Output(1, 4, 9);
        output.Run(device, data, settings, 1f);
        data.Reference.Span[0] = output.LogProb.Span[0] + (float)difference;
        output.Run(device, data, settings, 1f);
        Assert.Equal(expected, output.Kl.Span[0], 5e-5);
        Assert.Equal(output.Kl.Span[0], output.Loss.Span[0]);
        Assert.Equal(difference is not (0 or 15 or -1000), output.GradHidden.Span.ContainsAnyExcept(0f));
    }

    [Fact]
    public void Chunks_give_the_same_losses_and_those_without_weight_nothing()
    {
        const int Tokens = 150, Width = 5, Vocabulary = 701;
        using var device = new CpuDevice(2);
        using var data = new PolicyData(Tokens, Width, Vocabulary);
        data.Surround(new PolicySettings());
        data.Weights.Span.Slice(64, 64).Clear();
        data.Targets.AsSpan(64, 64).Fill(-1);
        using var whole = new Output(Tokens, Width, Vocabulary);
        using var chunked = new Output(Tokens, Width, Vocabulary);
        whole.Run(device, data, new PolicySettings(), 1f);
        chunked.Run(device, data, new PolicySettings(), 1f, budgetBytes: 65 * Vocabulary * sizeof(float));
        Assert.Equal(new float[64 * Width], chunked.GradHidden.Checked().Slice(64 * Width, 64 * Width));
        Assert.Equal(new float[64], chunked.Entropy.Checked().Slice(64, 64));
        Errors.AssertClose(chunked.Loss.Checked(), RowData.Wide(whole.Loss.Span), 1e-6, "loss");
        Errors.AssertClose(chunked.GradHidden.Span, RowData.Wide(whole.GradHidden.Span), 2e-6, "gradHidden");
        Errors.AssertClose(chunked.GradHead.Checked(), RowData.Wide(whole.GradHead.Span), 2e-6, "gradHead");
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var data = new PolicyData(70, 33, 301);
        var settings = new PolicySettings { KlWeight = 0.1f };
        data.Surround(settings);
        using var output = new Output(70, 33, 301);
        output.Run(device, data, settings, 1f);
        return [.. output.Loss.Span, .. output.GradHidden.Span, .. output.GradHead.Span, .. output.Entropy.Span];
    });

    [Fact]
    public void Settings_without_sense_are_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using var data = new PolicyData(2, 2, 3);
        using var output = new Output(2, 2, 3);
        foreach (var (settings, word) in (ReadOnlySpan<(PolicySettings, string)>)
                 [
                     (new PolicySettings { ClipLow = -0.1f }, "clipped"), (new PolicySettings { ClipHigh = float.NaN }, "clipped"),
                     (new PolicySettings { DualClip = 1f }, "dual clip"), (new PolicySettings { KlWeight = -1f }, "KL"),
                     (new PolicySettings { Temperature = 0f }, "temperature"),
                 ])
        {
            var error = Assert.Throws<ArgumentException>(() => output.Run(device, data, settings, 1f));
            Assert.Contains(word, error.Message, StringComparison.Ordinal);
        }

        var missing = Assert.Throws<ArgumentException>(
            () => output.Run(device, data, new PolicySettings { KlWeight = 0.1f }, 1f, withReference: false));
        Assert.Contains("reference", missing.Message, StringComparison.Ordinal);
    }

    private static double[] LogSoftmax(double[] logits)
    {
        double sum = Math.Log(logits.Sum(Math.Exp));
        return [.. logits.Select(logit => logit - sum)];
    }

    private sealed class Output(int tokens, int width, int vocabulary) : IDisposable
    {
        public GuardedFloats Loss { get; } = new(tokens);

        public GuardedFloats LogProb { get; } = new(tokens);

        public GuardedFloats Entropy { get; } = new(tokens);

        public GuardedFloats Kl { get; } = new(tokens);

        public GuardedFloats GradHidden { get; } = new(tokens * width);

        public GuardedFloats GradHead { get; } = GuardedFloats.Random(vocabulary * width, 9);

        public PolicyClip[] Clip { get; } = new PolicyClip[tokens];

        public void Run(
            CpuDevice device, PolicyData data, PolicySettings settings, float scale, bool withOld = true, bool withReference = true,
            long budgetBytes = LinearCrossEntropy.LogitsBudgetBytes)
        {
            fixed (int* targets = data.Targets)
            fixed (PolicyClip* clip = Clip)
            {
                var inputs = new PolicyTokens
                {
                    Targets = targets,
                    Weights = data.Weights.Pointer,
                    Advantages = data.Advantages.Pointer,
                    OldLogProb = withOld ? data.Old.Pointer : null,
                    ReferenceLogProb = withReference && settings.KlWeight > 0 ? data.Reference.Pointer : null,
                    Correction = data.Correction.Pointer,
                };
                var results = new PolicyResults
                {
                    Loss = Loss.Pointer,
                    LogProb = LogProb.Pointer,
                    Entropy = Entropy.Pointer,
                    Kl = Kl.Pointer,
                    Clip = clip,
                };
                LinearPolicy.Run(
                    device, data.Hidden.Pointer, data.HeadView, inputs, settings, results, GradHidden.Pointer, GradHead.Pointer, tokens,
                    width, vocabulary, scale, budgetBytes);
            }
        }

        public void Dispose()
        {
            foreach (var buffer in (GuardedFloats[])[Loss, LogProb, Entropy, Kl, GradHidden, GradHead])
            {
                buffer.Dispose();
            }
        }
    }
}
