using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class OptimizerCudaTests
{
    private static readonly int[] Counts = [1, 7, 0, 8192, 8193, 50_001];

    /// <summary>Master, gradient, moments, whether there is a working copy.</summary>
    public static TheoryData<DType, DType, DType, bool> Storage => new()
    {
        { DType.F32, DType.F32, DType.F32, false }, { DType.F32, DType.BF16, DType.F32, true }, { DType.BF16, DType.BF16, DType.F32, false },
        { DType.BF16, DType.BF16, DType.BF16, false }, { DType.F32, DType.BF16, DType.BF16, true },
    };

    [Theory]
    [MemberData(nameof(Storage))]
    public void A_step_of_all_tensors_matches_the_reference_and_rounds_at_random_by_counter(DType master, DType gradient, DType moment, bool works)
    {
        using var device = Card.Open();
        var settings = new AdamWSettings
        {
            LearningRate = 0.01,
            Beta1 = 0.9,
            Beta2 = 0.95,
            Epsilon = 1e-8,
            WeightDecay = 0.1,
            Step = 7,
            GradientScale = 0.7,
            Seed = 0x1234_5678_9ABC,
        };
        Tensor[] tensors = [.. Counts.Select((count, i) => new Tensor(device, count, i, master, gradient, moment, works))];
        float[][] before = [.. tensors.Select(tensor => tensor.Parameter.Read())];
        double[][][] expected = [.. tensors.Select(tensor => tensor.Reference(settings))];
        AdamW.Step(device, [.. tensors.Select(tensor => tensor.Described)], settings);
        long element = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            string what = $"tensor {i} of {Counts[i]}";
            tensors[i].AssertNear(0, tensors[i].Parameter, expected[i][0], settings, element, $"{what}: parameter");
            tensors[i].AssertNear(1, tensors[i].First, expected[i][1], settings, element, $"{what}: first moment");
            tensors[i].AssertNear(2, tensors[i].Second, expected[i][2], settings, element, $"{what}: second moment");
            Assert.True(Counts[i] == 0 || !before[i].SequenceEqual(tensors[i].Parameter.Read()), $"{what} did not move");
            if (tensors[i].Working is { } working)
            {
                Assert.Equal(RowCases.Singles(RowCases.Rounded(tensors[i].Parameter.ReadWide(), DType.BF16)), working.Read());
            }

            element += (Counts[i] + 7) / 8 * 8;
            tensors[i].Dispose();
        }
    }

    [Fact]
    public void Rounding_at_random_keeps_what_rounding_to_nearest_would_lose()
    {
        const int count = 1 << 16;
        using var device = Card.Open();
        using var parameter = DeviceBuffer.From(device, DType.BF16, [.. Enumerable.Repeat(1f, count)]);
        using var gradient = DeviceBuffer.From(device, DType.BF16, [.. Enumerable.Repeat(1f, count)]);
        using var first = DeviceBuffer.From(device, DType.F32, new float[count]);
        using var second = DeviceBuffer.From(device, DType.F32, new float[count]);
        for (int step = 1; step <= 10; step++)
        {
            // With a constant gradient every step is the learning rate: a 40th of bf16's step below 1.
            var settings = new AdamWSettings { LearningRate = 1e-4, Epsilon = 0, Step = step, Seed = 3 };
            AdamW.Step(device, parameter.Elements, gradient.Elements, first.Elements, second.Elements, count, settings);
        }

        double mean = parameter.Read().Average(value => (double)value);
        Assert.InRange(mean, 1 - 1.1e-3, 1 - 0.9e-3);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Norms_clip_factors_and_a_step_that_reads_them_stay_on_the_card(DType type)
    {
        using var device = Card.Open();
        DeviceBuffer[] gradients = [.. Counts.Select((count, i) => DeviceBuffer.Random(device, type, count, i, 0.1f))];
        double[] expected = [.. gradients.Select(gradient => GradientNorm.ReferenceSumOfSquares(gradient.ReadWide()))];
        GradientTensor[] tensors = [.. gradients.Select(gradient => new GradientTensor(gradient.Elements, gradient.Length))];
        using var sums = DeviceArray<double>.Poisoned(device, Counts.Length);
        using var clip = DeviceArray<GradientClip>.Poisoned(device, 1);
        foreach (double limit in (double[])[0, 1e9, 1.5])
        {
            GradientNorm.SumsOfSquares(device, tensors, sums.Pointer);
            GradientNorm.Clip(device, sums.Pointer, Counts.Length, limit, clip.Pointer);
            double[] actual = sums.Read();
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.InRange(actual[i], expected[i] * (1 - 1e-12), expected[i] * (1 + 1e-12));
            }

            double norm = Math.Sqrt(expected.Sum());
            GradientClip result = clip.Read()[0];
            Assert.InRange(result.Squares, expected.Sum() * (1 - 1e-12), expected.Sum() * (1 + 1e-12));
            Assert.Equal(norm, result.Norm, norm * 1e-6);
            Assert.Equal(limit == 1.5 ? 1.5 / norm : 1, result.Factor, 1e-6);
        }

        Assert.Equal(GradientNorm.SumOfSquares(device, gradients[5].Elements, Counts[5]), sums.Read()[5]);
        using var clipped = new Tensor(device, 100, 1, DType.F32, type, DType.F32, false);
        var settings = new AdamWSettings { LearningRate = 0.01, Step = 1, Epsilon = 0.1 };
        double[] reference = clipped.Reference(settings with { GradientScale = clip.Read()[0].Factor })[0];
        AdamW.Step(device, [clipped.Described], settings with { ClipFactor = GradientClip.FactorOf(clip.Pointer) });
        RowCases.AssertClose(clipped.Parameter, reference, 1e-6, "clipped step");

        gradients[0].Write([float.NaN]);
        float[] before = clipped.Parameter.Read();
        GradientNorm.SumsOfSquares(device, tensors, sums.Pointer);
        GradientNorm.Clip(device, sums.Pointer, Counts.Length, 1.5, clip.Pointer);
        AdamW.Step(device, [clipped.Described], settings with { ClipFactor = GradientClip.FactorOf(clip.Pointer) });
        Assert.Equal(before, clipped.Parameter.Read());
        Array.ForEach(gradients, gradient => gradient.Dispose());
    }

    /// <summary>A parameter with gradient and moments on the card.</summary>
    private sealed class Tensor(CudaDevice device, int count, int seed, DType master, DType gradient, DType moment, bool works) : IDisposable
    {
        private readonly DeviceBuffer _gradient = DeviceBuffer.Random(device, gradient, count, seed + 20, 0.1f);

        public DeviceBuffer Parameter { get; } = DeviceBuffer.Random(device, master, count, seed + 10);

        public DeviceBuffer First { get; } = DeviceBuffer.Random(device, moment, count, seed + 30, 0.01f);

        public DeviceBuffer Second { get; } =
            DeviceBuffer.From(device, moment, [.. DeviceBuffer.Gaussians(count, seed + 40).Select(value => value * value * 1e-4f)]);

        public DeviceBuffer? Working { get; } = works ? new DeviceBuffer(device, DType.BF16, count) : null;

        public AdamWTensor Described => new()
        {
            Parameter = Parameter.Elements,
            Gradient = _gradient.Elements,
            FirstMoment = First.Elements,
            SecondMoment = Second.Elements,
            Working = Working?.Elements ?? default,
            Count = count,
            Decays = seed % 2 == 0,
        };

        public double[][] Reference(AdamWSettings settings)
        {
            double[][] state = [Parameter.ReadWide(), First.ReadWide(), Second.ReadWide()];
            AdamW.ReferenceStep(
                state[0], _gradient.ReadWide(), state[1], state[2], settings with { WeightDecay = Described.Decays ? settings.WeightDecay : 0 });
            return state;
        }

        /// <summary>In bf16 nearly all elements are those that the counter's bits give the reference; where f32 decides otherwise they are neighbours.</summary>
        public void AssertNear(int purpose, DeviceBuffer actual, double[] expected, AdamWSettings settings, long firstElement, string what)
        {
            float[] values = actual.Read();
            if (actual.Type == DType.F32)
            {
                TestSupport.Errors.AssertClose(values, expected, 1e-6, what);
                return;
            }

            int different = 0;
            for (int i = 0; i < values.Length; i++)
            {
                Assert.InRange(Math.Abs(values[i] - expected[i]), 0, (Math.Abs(expected[i]) / 128) + 1e-38);
                ushort bits = AdamW.ReferenceRound((float)expected[i], settings.Seed, settings.Step, purpose, firstElement + i);
                different += Bf16.Widen(bits) == values[i] ? 0 : 1;
            }

            Assert.InRange(different, 0, 1 + (values.Length / 500));
        }

        public void Dispose()
        {
            _gradient.Dispose();
            Parameter.Dispose();
            First.Dispose();
            Second.Dispose();
            Working?.Dispose();
        }
    }
}
