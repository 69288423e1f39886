using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Kernels.Tests;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class LinearPolicyCudaTests
{
    private const int Tokens = 140;
    private const int Width = 24;
    private const int Vocabulary = 501;

    public static TheoryData<DType, DType, bool, KlGradient, float, float> Cases => new()
    {
        { DType.F32, DType.F32, true, KlGradient.Value, 1f, 0f },
        { DType.F32, DType.F32, true, KlGradient.OnPolicy, 0.7f, 3f },
        { DType.BF16, DType.F32, true, KlGradient.Value, 1f, 3f },
        { DType.BF16, DType.BF16, true, KlGradient.OnPolicy, 1f, 3f },
        { DType.BF16, DType.BF16, false, KlGradient.Value, 1.3f, 0f },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Losses_terms_and_gradients_match_the_reference(
        DType hiddenType, DType gradHeadType, bool hasReference, KlGradient klGradient, float temperature, float dualClip)
    {
        using var device = Card.Open(DType.BF16);
        using var data = new PolicyData(Tokens, Width, Vocabulary);
        var settings = new PolicySettings
        {
            ClipHigh = 0.28f,
            DualClip = dualClip,
            KlWeight = hasReference ? 0.05f : 0f,
            KlGradient = klGradient,
            Temperature = temperature,
        };
        using var hidden = DeviceBuffer.From(device, hiddenType, data.Hidden.Span);
        using var head = DeviceBuffer.From(device, hiddenType, data.Head.Span);
        hidden.Read().CopyTo(data.Hidden.Span);
        head.Read().CopyTo(data.Head.Span);
        data.Surround(settings);
        double[] loss = new double[Tokens], gradHidden = new double[Tokens * Width], gradHead = new double[Vocabulary * Width];
        LinearPolicy.ReferenceRun(
            RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.ReferenceTokens(hasReference), settings, loss, gradHidden,
            gradHead, Width, Vocabulary, 0.5);
        double[] logProb = new double[Tokens], entropy = new double[Tokens];
        LinearLogProb.ReferenceRun(
            RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.Targets, RowData.Wide(data.Weights.Span), temperature, logProb,
            entropy, Width, Vocabulary);

        using var inputs = new Inputs(device, data, hasReference);
        using var outputs = new Outputs(device, hiddenType, gradHeadType);
        LinearPolicy.Run(
            device, hidden.Elements, new MatrixView(head.Address, hiddenType, Vocabulary, Width), inputs.Tokens, settings, outputs.Results,
            outputs.GradHidden.Elements, outputs.GradHead.Elements, Tokens, Width, Vocabulary, 0.5f);
        double bound = hiddenType == DType.BF16 ? ProductTolerances.TwoRoundingsBf16 : 5e-6;
        Errors.AssertClose(outputs.Loss.Read(), loss, 5e-6, "loss");
        Errors.AssertClose(outputs.LogProb.Read(), logProb, 2e-6, "logProb");
        Errors.AssertClose(outputs.Entropy.Read(), entropy, 5e-6, "entropy");
        Errors.AssertClose(outputs.GradHidden.Read(), gradHidden, bound, "gradHidden");
        Errors.AssertClose(
            outputs.GradHead.Read(), gradHead, gradHeadType == DType.BF16 ? ProductTolerances.HeadGradientBf16(1) : bound, "gradHead");
        AssertTermsAreTheProcessors(data, settings, hasReference, inputs, outputs);
    }

    [Theory]
    [InlineData(DType.F32, 1f)]
    [InlineData(DType.BF16, 1f)]
    [InlineData(DType.BF16, 0.8f)]
    public void The_policy_itself_has_a_ratio_of_exactly_one(DType type, float temperature)
    {
        using var device = Card.Open(type);
        using var data = new PolicyData(Tokens, Width, Vocabulary);
        using var hidden = DeviceBuffer.From(device, type, data.Hidden.Span);
        using var head = DeviceBuffer.From(device, type, data.Head.Span);
        using var inputs = new Inputs(device, data, false);
        using var outputs = new Outputs(device, type, type);
        using var old = new DeviceBuffer(device, DType.F32, Tokens);
        using var entropy = new DeviceBuffer(device, DType.F32, Tokens);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        var view = new MatrixView(head.Address, type, Vocabulary, Width);
        LinearLogProb.Run(
            device, hidden.Elements, view, inputs.Tokens.Targets, inputs.Tokens.Weights, temperature, (float*)old.Address,
            (float*)entropy.Address, Tokens, Width, Vocabulary);
        var tokens = inputs.Tokens with { OldLogProb = (float*)old.Address, Correction = null };
        var settings = new PolicySettings { Temperature = temperature };
        LinearPolicy.Run(
            device, hidden.Elements, view, tokens, settings, outputs.Results, outputs.GradHidden.Elements, default, Tokens, Width,
            Vocabulary, 1f);
        Assert.Equal(old.Read(), outputs.LogProb.Read());
        Assert.Equal(entropy.Read(), outputs.Entropy.Read());
        float[] losses = outputs.Loss.Read();
        for (int t = 0; t < Tokens; t++)
        {
            Assert.Equal(data.Weights.Span[t] == 0 ? 0f : -data.Advantages.Span[t], losses[t]);
        }

        if (temperature == 1f)
        {
            LinearCrossEntropy.Run(
                device, hidden.Elements, view, tokens.Targets, tokens.Weights, (float*)loss.Address, default, default, Tokens, Width,
                Vocabulary, 1f);
            Assert.Equal(Array.ConvertAll(old.Read(), value => value == 0 ? 0 : -value), loss.Read());
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    public void Log_probabilities_match_the_reference_in_chunks_with_and_without_entropies(DType hidden, DType head)
    {
        using var device = Card.Open(DType.BF16);
        foreach (var (tokens, width, vocabulary) in ((int, int, int)[])[(1, 8, 2), (40, 17, 97), (150, 16, 1000), (20, 32, 20_001)])
        {
            foreach (long? budget in (long?[])[null, 1])
            {
                using var data = new HeadData(device, hidden, head, tokens, width, vocabulary);
                using var logProb = new DeviceBuffer(device, DType.F32, tokens);
                using var again = new DeviceBuffer(device, DType.F32, tokens);
                using var entropy = new DeviceBuffer(device, DType.F32, tokens);
                double[] expected = new double[tokens], expectedEntropy = new double[tokens];
                LinearLogProb.ReferenceRun(
                    data.WideHidden, data.WideHead, data.Targets, data.WideWeights, 0.9f, expected, expectedEntropy, width, vocabulary);
                Run(logProb, (float*)entropy.Address);
                Run(again, null);
                string what = $"{tokens} tokens, {width} wide, {vocabulary} entries, budget {budget}: ";
                Errors.AssertClose(logProb.Read(), expected, 2e-6, what + "log-probability");
                Errors.AssertClose(entropy.Read(), expectedEntropy, 5e-6, what + "entropy");
                Assert.Equal(logProb.Read(), again.Read());

                void Run(DeviceBuffer result, float* entropies) => LinearLogProb.Run(
                    device, data.Hidden, data.Head, (int*)data.TargetAddress, (float*)data.WeightAddress, 0.9f, (float*)result.Address,
                    entropies, tokens, width, vocabulary, budget);
            }
        }
    }

    // Given the card's log-probabilities, k3 and the clips are those that the processor's arithmetic in double gives.
    private static void AssertTermsAreTheProcessors(
        PolicyData data, PolicySettings settings, bool hasReference, Inputs inputs, Outputs outputs)
    {
        float[] logProb = outputs.LogProb.Read(), kl = outputs.Kl.Read();
        int[] clip = inputs.Download(outputs.ClipAddress);
        var seen = new HashSet<int>();
        for (int t = 0; t < Tokens; t++)
        {
            double delta = Math.Clamp(data.Reference.Span[t] - (double)logProb[t], -20, 20);
            double estimate = Math.Min(Math.Exp(delta) - 1 - delta, 10), ratio = Math.Exp((double)logProb[t] - data.Old.Span[t]);
            bool counts = data.Weights.Span[t] != 0;
            Assert.Equal(counts && hasReference ? estimate : 0, kl[t], 1e-6);
            float advantage = data.Advantages.Span[t];
            var expected = !counts ? PolicyClip.None
                : advantage > 0 && ratio > 1.0 + settings.ClipHigh ? PolicyClip.High
                : advantage < 0 && ratio < 1.0 - settings.ClipLow ? PolicyClip.Low
                : advantage < 0 && settings.DualClip > 0 && ratio > settings.DualClip ? PolicyClip.Dual
                : PolicyClip.None;
            Assert.Equal((int)expected, clip[t]);
            seen.Add(clip[t]);
        }

        Assert.Equal(settings.DualClip > 0 ? 4 : 3, seen.Count);
    }

    private sealed class Inputs : IDisposable
    {
        private readonly CudaDevice _device;
        private readonly Arena _arena;

        public Inputs(CudaDevice device, PolicyData data, bool hasReference)
        {
            _device = device;
            _arena = device.CreateArena("policy inputs");
            Tokens = new PolicyTokens
            {
                Targets = (int*)Put<int>(data.Targets),
                Weights = (float*)Put<float>(data.Weights.Span),
                Advantages = (float*)Put<float>(data.Advantages.Span),
                OldLogProb = (float*)Put<float>(data.Old.Span),
                ReferenceLogProb = hasReference ? (float*)Put<float>(data.Reference.Span) : null,
                Correction = (float*)Put<float>(data.Correction.Span),
            };
        }

        public PolicyTokens Tokens { get; }

        public int[] Download(nint source)
        {
            int[] values = new int[LinearPolicyCudaTests.Tokens];
            _device.Download<int>(source, values);
            return values;
        }

        public void Dispose() => _arena.Dispose();

        private nint Put<T>(ReadOnlySpan<T> values)
            where T : unmanaged
        {
            nint there = _arena.Allocate(values.Length * sizeof(T));
            _device.Upload(values, there);
            return there;
        }
    }

    private sealed class Outputs : IDisposable
    {
        private readonly Arena _arena;

        public Outputs(CudaDevice device, DType hiddenType, DType gradHeadType)
        {
            _arena = device.CreateArena("clips");
            ClipAddress = _arena.Allocate(Tokens * sizeof(int));
            Loss = new DeviceBuffer(device, DType.F32, Tokens);
            LogProb = new DeviceBuffer(device, DType.F32, Tokens);
            Entropy = new DeviceBuffer(device, DType.F32, Tokens);
            Kl = new DeviceBuffer(device, DType.F32, Tokens);
            GradHidden = new DeviceBuffer(device, hiddenType, Tokens * Width);
            GradHead = DeviceBuffer.From(device, gradHeadType, new float[Vocabulary * Width]);
        }

        public nint ClipAddress { get; }

        public DeviceBuffer Loss { get; }

        public DeviceBuffer LogProb { get; }

        public DeviceBuffer Entropy { get; }

        public DeviceBuffer Kl { get; }

        public DeviceBuffer GradHidden { get; }

        public DeviceBuffer GradHead { get; }

        public PolicyResults Results => new()
        {
            Loss = (float*)Loss.Address,
            LogProb = (float*)LogProb.Address,
            Entropy = (float*)Entropy.Address,
            Kl = (float*)Kl.Address,
            Clip = (PolicyClip*)ClipAddress,
        };

        public void Dispose()
        {
            _arena.Dispose();
            foreach (var buffer in (DeviceBuffer[])[Loss, LogProb, Entropy, Kl, GradHidden, GradHead])
            {
                buffer.Dispose();
            }
        }
    }
}
