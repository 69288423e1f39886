using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class TokenSamplingTests
{
    [Fact]
    public void Draws_are_the_references_for_every_temperature_and_truncation_on_any_number_of_threads()
    {
        foreach (var (vocabulary, rows) in ((int, int)[])[(1, 3), (5, 40), (50, 60), (1000, 60), (4099, 20)])
        {
            foreach (float spread in (float[])[3, 1e-3f, 12, 0])
            {
                int stride = vocabulary + 3;
                using var logits = GuardedFloats.Random((long)rows * stride, vocabulary, spread);
                foreach (ref float value in logits.Span)
                {
                    // Some rows of many equal logits.
                    value = vocabulary == 50 ? MathF.Round(value * 2) / 2 : value;
                }

                SamplingRow[] settings = [.. Enumerable.Range(0, rows).Select(Settings)];
                foreach (int threads in RowData.ThreadCounts)
                {
                    int[] tokens = new int[rows];
                    using var device = new CpuDevice(threads);
                    using var logProbs = new GuardedFloats(rows);
                    fixed (SamplingRow* row = settings)
                    fixed (int* token = tokens)
                    {
                        TokenSampling.Draw(device, logits.Pointer, stride, rows, vocabulary, row, token, logProbs.Pointer);
                    }

                    for (int r = 0; r < rows; r++)
                    {
                        double[] wide = RowData.Wide(logits.Span.Slice(r * stride, vocabulary));
                        var (expected, logProb) = TokenSampling.ReferenceChoose(wide, settings[r]);
                        Assert.Equal((settings[r], expected), (settings[r], tokens[r]));
                        Assert.InRange(Math.Abs(logProbs.Checked()[r] - logProb), 0, 1e-5 * Math.Max(1, Math.Abs(logProb)));
                    }
                }
            }
        }
    }

    [Fact]
    public void Rows_that_do_not_hold_the_vocabulary_are_refused()
    {
        using var device = new CpuDevice(1);
        Assert.Throws<ArgumentException>(() => TokenSampling.Draw(device, default, 9, 1, 10, null, null, null));
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
