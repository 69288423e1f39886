using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class TokenSamplingCudaTests
{
    // How logits are spread: like a model's, nearly flat, sharp, on few values so that many are equal, all equal.
    private static readonly (float Spread, bool Steps)[] Kinds = [(3, false), (1e-3f, false), (12, false), (2, true), (0, false)];

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Draws_are_the_references_for_every_temperature_and_truncation(DType type)
    {
        using var device = Card.Open(type);
        foreach (var (vocabulary, rows) in ((int, int)[])[(1, 3), (5, 40), (50, 60), (1000, 60), (4099, 20), (32_000, 12), (151_936, 4)])
        {
            foreach (var (spread, steps) in Kinds)
            {
                int stride = vocabulary + 3;
                float[] values = DeviceBuffer.Gaussians((long)rows * stride, vocabulary, spread);
                values = steps ? Array.ConvertAll(values, value => MathF.Round(value * 2) / 2) : values;
                using var logits = DeviceBuffer.From(device, type, values);
                SamplingRow[] settings = [.. Enumerable.Range(0, rows).Select(Settings)];
                using var onCard = new DeviceArray<SamplingRow>(device, settings);
                using var tokens = DeviceArray<int>.Poisoned(device, rows);
                using var logProbs = DeviceArray<float>.Poisoned(device, rows);
                TokenSampling.Draw(device, logits.Elements, stride, rows, vocabulary, onCard.Pointer, tokens.Pointer, logProbs.Pointer);
                double[] wide = logits.ReadWide();
                int[] drawn = tokens.Read();
                float[] probabilities = logProbs.Read();
                for (int row = 0; row < rows; row++)
                {
                    var (token, logProb) = TokenSampling.ReferenceChoose(wide.AsSpan(row * stride, vocabulary), settings[row]);
                    Assert.True(
                        token == drawn[row], $"{vocabulary} tokens spread by {spread}, {settings[row]}: drew {drawn[row]}, the reference {token}");
                    Assert.InRange(Math.Abs(probabilities[row] - logProb), 0, 1e-6 * Math.Max(1, Math.Abs(logProb)));
                }

                // A row of a batch of one is drawn alike.
                TokenSampling.Draw(
                    device, logits.Elements + ((rows - 1L) * stride), stride, 1, vocabulary, onCard.Pointer + rows - 1, tokens.Pointer, null);
                Assert.Equal(drawn[^1], tokens.Read()[0]);
            }
        }
    }

    [Fact]
    public void Many_draws_follow_the_truncated_distribution()
    {
        // Probabilities 0.4, 0.3, 0.2, 0.1; top-p 0.65 leaves the first two, with 4/7 and 3/7.
        const int rows = 20_000;
        using var device = Card.Open();
        float[] row = [MathF.Log(0.2f), MathF.Log(0.4f), MathF.Log(0.1f), MathF.Log(0.3f)];
        using var logits = DeviceBuffer.From(device, DType.F32, [.. Enumerable.Repeat(row, rows).SelectMany(value => value)]);
        using var settings = new DeviceArray<SamplingRow>(device, [.. Enumerable.Range(0, rows).Select(i => new SamplingRow(7, 1, 0.65f, 0, i))]);
        using var tokens = DeviceArray<int>.Poisoned(device, rows);
        TokenSampling.Draw(device, logits.Elements, 4, rows, 4, settings.Pointer, tokens.Pointer, null);
        int[] counts = new int[4];
        Array.ForEach(tokens.Read(), token => counts[token]++);
        Assert.Equal((0, 0), (counts[0], counts[2]));

        // Five standard deviations of a binomial count.
        double expected = rows * 4.0 / 7, deviation = Math.Sqrt(expected * 3 / 7);
        Assert.InRange(counts[1], expected - (5 * deviation), expected + (5 * deviation));
    }

    private static SamplingRow Settings(int row)
    {
        var random = new CounterRandom((ulong)row, 0x5A);
        float[] temperatures = [0, 0.3f, 0.7f, 1, 1.5f], shares = [1, 0.999f, 0.9f, 0.5f, 1e-4f];
        int[] kept = [0, 0, 1, 5, 40, 700, 1_000_000];
        return new SamplingRow(
            ((ulong)random.NextUInt32() << 32) | random.NextUInt32(), temperatures[random.Next(temperatures.Length)],
            shares[random.Next(shares.Length)], kept[random.Next(kept.Length)], random.Next(100_000));
    }
}
