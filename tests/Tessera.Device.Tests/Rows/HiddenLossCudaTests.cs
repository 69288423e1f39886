using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class HiddenLossCudaTests
{
    private const float Scale = 1.75f;

    /// <summary>Student, teacher, gradient.</summary>
    public static TheoryData<DType, DType, DType> Types => new()
    {
        { DType.F32, DType.F32, DType.F32 }, { DType.BF16, DType.BF16, DType.BF16 }, { DType.BF16, DType.F32, DType.F32 },
        { DType.F32, DType.BF16, DType.F32 },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public void Cosine_matches_the_reference_and_leaves_tokens_without_weight_alone(DType student, DType teacher, DType gradient)
    {
        using var device = Card.Open();
        foreach (var (tokens, width) in RowCases.Shapes)
        {
            int count = tokens * width;
            float[] states = DeviceBuffer.Gaussians(count, 1), others = DeviceBuffer.Gaussians(count, 2);
            float[] weights = DeviceBuffer.Gaussians(tokens, 3);
            states.AsSpan(0, tokens > 1 ? width : 0).Clear();
            weights.AsSpan(tokens / 2, tokens > 2 ? 1 : 0).Clear();
            for (int i = 0; i < count; i++)
            {
                others[i] = states[i] + (0.1f * others[i]);
            }

            using var s = DeviceBuffer.From(device, student, states);
            using var t = DeviceBuffer.From(device, teacher, others);
            using var w = DeviceBuffer.From(device, DType.F32, weights);
            using var grad = DeviceBuffer.Random(device, gradient, count, 4);
            using var loss = new DeviceBuffer(device, DType.F32, tokens);
            double[] expected = grad.ReadWide(), losses = new double[tokens], row = new double[width], wideS = s.ReadWide(), wideT = t.ReadWide();
            for (int token = 0; token < tokens; token++)
            {
                double value = HiddenLoss.ReferenceCosine(wideS.AsSpan(token * width, width), wideT.AsSpan(token * width, width), row);
                losses[token] = weights[token] == 0 ? 0 : value;
                for (int i = 0; i < width; i++)
                {
                    expected[(token * width) + i] += Scale * weights[token] * row[i];
                }
            }

            HiddenLoss.Cosine(device, s.Elements, t.Elements, (float*)w.Address, (float*)loss.Address, grad.Elements, tokens, width, Scale);
            float[] actual = loss.Read();
            for (int token = 0; token < tokens; token++)
            {
                Assert.InRange(Math.Abs(actual[token] - losses[token]), 0, 1e-7 + (1e-6 * Math.Abs(losses[token])));
            }

            RowCases.AssertClose(grad, expected, 1e-6, $"{tokens}x{width}");
            HiddenLoss.Cosine(device, s.Elements, t.Elements, (float*)w.Address, (float*)loss.Address, default, tokens, width, Scale);
            Assert.Equal(actual, loss.Read());
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void The_normalised_mean_square_matches_the_reference(DType student, DType teacher, DType gradient)
    {
        using var device = Card.Open();
        foreach (var (tokens, width) in ((int, int)[])[(1, 1), (3, 7), (129, 1024), (2, 4099), (1, 32_768), (7, 40_000)])
        {
            int count = tokens * width;
            using var s = DeviceBuffer.Random(device, student, count, 1);
            using var t = DeviceBuffer.Random(device, teacher, count, 2);
            using var grad = new DeviceBuffer(device, gradient, count);
            double[] expected = new double[count];
            double loss = HiddenLoss.ReferenceNormalisedMse(s.ReadWide(), t.ReadWide(), expected);
            double actual = HiddenLoss.NormalisedMse(device, s.Elements, t.Elements, grad.Elements, tokens, width, Scale);
            Assert.InRange(actual, loss * (1 - 1e-12), loss * (1 + 1e-12));

            // Of a size for which the bounds of the comparison are meant.
            double largest = expected.Max(Math.Abs);
            using var scaled = DeviceBuffer.From(device, DType.F32, [.. grad.Read().Select(value => (float)(value / (Scale * largest)))]);
            double bound = gradient == DType.BF16 ? count < 256 ? 4e-3 : Tolerances.OneRoundingBf16 : 1e-6;
            TestSupport.Errors.AssertClose(scaled.Read(), Array.ConvertAll(expected, value => value / largest), bound, $"{tokens}x{width}");
            Assert.Equal(actual, HiddenLoss.NormalisedMse(device, s.Elements, t.Elements, default, tokens, width, Scale));
        }
    }

    [Fact]
    public void A_teacher_of_zeros_gives_zero_or_infinity_and_no_gradient()
    {
        using var device = Card.Open();
        using var zeros = DeviceBuffer.From(device, DType.F32, new float[9]);
        using var ones = DeviceBuffer.From(device, DType.F32, [.. Enumerable.Repeat(1f, 9)]);
        using var grad = new DeviceBuffer(device, DType.F32, 9);
        Assert.Equal(0, HiddenLoss.NormalisedMse(device, zeros.Elements, zeros.Elements, grad.Elements, 3, 3, Scale));
        Assert.Equal(double.PositiveInfinity, HiddenLoss.NormalisedMse(device, ones.Elements, zeros.Elements, grad.Elements, 3, 3, Scale));
        Assert.Equal(new float[9], grad.Read());
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Statistics_of_channels_match_the_reference(DType type)
    {
        using var device = Card.Open(type);
        foreach (var (tokens, width) in ((int, int)[])[.. RowCases.Shapes, (20_000, 40)])
        {
            using var x = DeviceBuffer.Random(device, type, (long)tokens * width, 1);
            double[] sums = [.. Enumerable.Range(0, width).Select(i => i * 0.5)], expected = [.. sums], norms = new double[width];
            using var onCard = new DeviceArray<double>(device, sums);
            ChannelStatistics.ReferenceAccumulateAbsolute(x.ReadWide(), expected);
            ChannelStatistics.ReferenceColumnNorms(x.ReadWide(), norms);
            ChannelStatistics.AccumulateAbsolute(device, x.Elements, onCard.Pointer, tokens, width);
            AssertEqual(expected, onCard.Read(), $"{tokens}x{width} sums");
            ChannelStatistics.ColumnNorms(device, MatrixView.Of(x.Elements, tokens, width), onCard.Pointer);
            AssertEqual(norms, onCard.Read(), $"{tokens}x{width} norms");
        }
    }

    private static void AssertEqual(double[] expected, double[] actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(actual[i] - expected[i]) <= 1e-12 * Math.Abs(expected[i]), $"{what}: column {i} is {actual[i]:R}, expected {expected[i]:R}");
        }
    }
}
