using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.TestSupport;

namespace Tessera.Device.Tests.Models;

/// <summary>
/// What a model has to give in bf16: the formulas in double precision on the same rounded weights, as far as rounding between
/// operations allows. A few tokens of small models with large weights attend to two places nearly alike and are led far away by any
/// rounding, so every token is measured by what roundings at random do to it.
/// </summary>
internal sealed class Bf16Expectation
{
    /// <summary>‖logits − expected‖₂ / ‖expected‖₂ over all tokens.</summary>
    private const double Bound = 3e-2;

    private const int Draws = 4;
    private readonly double[] _logits;
    private readonly double[] _tokenBounds;

    /// <summary>The formulas' logits of one or more documents, one behind the other.</summary>
    public Bf16Expectation(Decoder model, params IReadOnlyList<int[]> documents)
    {
        Tokens = documents.Sum(document => document.Length);
        _logits = Logits(model, documents, null);
        float[] nearest = Array.ConvertAll(Logits(model, documents, Nearest), Convert.ToSingle);
        RoundingAlone = Errors.RelativeL2(nearest, _logits);
        double[][] led =
        [
            Distances(nearest),
            .. Enumerable.Range(1, Draws).Select(
                seed => Distances(Array.ConvertAll(Logits(model, documents, AtRandom(new Random(seed))), Convert.ToSingle))),
        ];
        _tokenBounds = [.. Enumerable.Range(0, Tokens).Select(t => 2e-2 + (4 * led.Max(distances => distances[t])))];
    }

    /// <summary>The distance to which rounding alone leads, over all tokens.</summary>
    public double RoundingAlone { get; }

    private int Tokens { get; }

    /// <summary>Fails where logits are too far away, as a whole or at a token.</summary>
    public void AssertClose(float[] logits, string what)
    {
        Errors.AssertClose(logits, _logits, Bound, what);
        double[] distances = Distances(logits);
        for (int t = 0; t < Tokens; t++)
        {
            Assert.True(distances[t] <= _tokenBounds[t], $"{what}: token {t}: relative L2 {distances[t]:E2} is above {_tokenBounds[t]:E2}");
        }
    }

    private static double Nearest(double value) => Bf16.Widen(Bf16.Round((float)value));

    /// <summary>Up or down, with the chances that keep the mean.</summary>
    private static Func<double, double> AtRandom(Random random) => value =>
    {
        uint bits = BitConverter.SingleToUInt32Bits((float)value);
        return BitConverter.UInt32BitsToSingle((bits + (uint)random.Next(1 << 16)) & 0xFFFF0000);
    };

    private static double[] Logits(Decoder model, IReadOnlyList<int[]> documents, Func<double, double>? store)
    {
        var formulas = new ReferenceDecoder(model) { Store = store };
        return [.. documents.SelectMany(document => formulas.Logits(document))];
    }

    private double[] Distances(float[] logits)
    {
        Assert.Equal(_logits.Length, logits.Length);
        int vocabulary = logits.Length / Tokens;
        return
        [
            .. Enumerable.Range(0, Tokens).Select(t => Errors.RelativeL2(
                logits.AsSpan(t * vocabulary, vocabulary), _logits.AsSpan(t * vocabulary, vocabulary))),
        ];
    }
}
