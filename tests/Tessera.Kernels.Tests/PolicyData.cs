using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>A batch for policy kernels: sampled tokens with advantages and with log-probabilities of two other policies near by.</summary>
internal sealed unsafe class PolicyData : IDisposable
{
    public PolicyData(int tokens, int width, int vocabulary)
    {
        (Width, Vocabulary) = (width, vocabulary);
        Hidden = GuardedFloats.Random(tokens * width, 1);
        Head = GuardedFloats.Random(vocabulary * width, 2, 1f / MathF.Sqrt(width));
        Weights = GuardedFloats.From([.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? 0f : 0.01f * (t + 1))]);
        var random = new CounterRandom(3);
        Targets = [.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? -100 : random.Next(vocabulary))];
        Advantages = GuardedFloats.Random(tokens, 4);
        Correction = GuardedFloats.From([.. Enumerable.Range(0, tokens).Select(t => 0.5f + (0.1f * (t % 9)))]);
        Old = new GuardedFloats(tokens);
        Reference = new GuardedFloats(tokens);
    }

    public int Width { get; }

    public int Vocabulary { get; }

    public GuardedFloats Hidden { get; }

    public GuardedFloats Head { get; }

    public GuardedFloats Weights { get; }

    public int[] Targets { get; }

    public GuardedFloats Advantages { get; }

    public GuardedFloats Correction { get; }

    public GuardedFloats Old { get; }

    public GuardedFloats Reference { get; }

    public MatrixView HeadView => new((nint)Head.Pointer, DType.F32, Vocabulary, Width);

    /// <summary>
    /// Sets the other policies' log-probabilities: old ones so that ratios lie on every side of the clips but at least 1 % away
    /// from their corners, reference ones within ±1.
    /// </summary>
    public void Surround(PolicySettings settings)
    {
        int tokens = Targets.Length;
        double[] logProb = new double[tokens], entropy = new double[tokens];
        LinearLogProb.ReferenceRun(
            RowData.Wide(Hidden.Span), RowData.Wide(Head.Span), Targets, RowData.Wide(Weights.Span), settings.Temperature, logProb,
            entropy, Width, Vocabulary);
        double[] corners = [1 - settings.ClipLow, 1 + settings.ClipHigh, settings.DualClip > 0 ? settings.DualClip : 1e9];
        var random = new CounterRandom(6);
        for (int t = 0; t < tokens; t++)
        {
            double ratio;
            do
            {
                ratio = Math.Exp(1.5 * random.NextGaussian());
            }
            while (corners.Any(corner => Math.Abs((ratio / corner) - 1) < 0.01));
            Old.Span[t] = (float)(logProb[t] - Math.Log(ratio));
            Reference.Span[t] = (float)(logProb[t] + (0.4 * random.NextGaussian()));
        }
    }

    public LinearPolicy.ReferenceToken[] ReferenceTokens(bool hasReference) =>
    [
        .. Enumerable.Range(0, Targets.Length).Select(t => new LinearPolicy.ReferenceToken(
            Targets[t], Weights.Span[t], Advantages.Span[t], Old.Span[t], hasReference ? Reference.Span[t] : double.NaN,
            Correction.Span[t])),
    ];

    public void Dispose()
    {
        foreach (var buffer in (GuardedFloats[])[Hidden, Head, Weights, Advantages, Correction, Old, Reference])
        {
            buffer.Dispose();
        }
    }
}
