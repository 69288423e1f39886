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
    private const int Draws = 4;
    private readonly double[] _logits;
    private readonly double _bound;
    private readonly double[] _tokenBounds;

    /// <summary>The formulas' logits of one or more documents, one behind the other.</summary>
    /// <param name="model">The model, in the processor's memory.</param>
    /// <param name="documents">Ids.</param>
    /// <param name="bound">‖logits − formulas‖₂ / ‖formulas‖₂ over all tokens; by default what roundings lead to, and half as much again.</param>
    public Bf16Expectation(Decoder model, IReadOnlyList<int[]> documents, double? bound = null)
    {
        Tokens = documents.Sum(document => document.Length);
        _logits = Logits(model, documents, null);
        float[][] rounded =
        [
            Rounded(model, documents, Nearest),
            .. Enumerable.Range(1, Draws).Select(seed => Rounded(model, documents, AtRandom(new Random(seed)))),
        ];
        RoundingAlone = Errors.RelativeL2(rounded[0], _logits);
        _bound = bound ?? 1.5 * rounded.Max(logits => Errors.RelativeL2(logits, _logits));
        double[][] led = [.. rounded.Select(Distances)];
        _tokenBounds = [.. Enumerable.Range(0, Tokens).Select(t => 2e-2 + (4 * led.Max(distances => distances[t])))];
    }

    /// <summary>The distance to which rounding alone leads, over all tokens.</summary>
    public double RoundingAlone { get; }

    private int Tokens { get; }

    /// <summary>Fails where logits are too far away, as a whole or at a token.</summary>
    public void AssertClose(float[] logits, string what)
    {
        Errors.AssertClose(logits, _logits, _bound, what);
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

    private static float[] Rounded(Decoder model, IReadOnlyList<int[]> documents, Func<double, double> store) =>
        Array.ConvertAll(Logits(model, documents, store), Convert.ToSingle);

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
