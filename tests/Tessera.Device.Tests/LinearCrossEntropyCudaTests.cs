using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class LinearCrossEntropyCudaTests
{
    private const float Scale = 0.5f;

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32, DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.BF16, DType.F32, DType.F32)]
    public void Losses_and_gradients_match_the_reference(DType hidden, DType head, DType gradHiddenType, DType gradHeadType)
    {
        using var device = Card.Open(DType.BF16);
        foreach (var (tokens, width, vocabulary) in ((int, int, int)[])[(40, 17, 97), (64, 32, 1000), (130, 24, 129), (33, 16, 4099)])
        {
            // The second budget cuts the batch into chunks of 64 tokens.
            foreach (long? budget in (long?[])[null, 1])
            {
                using var data = new HeadData(device, hidden, head, tokens, width, vocabulary);
                using var loss = new DeviceBuffer(device, DType.F32, tokens);
                using var gradHidden = new DeviceBuffer(device, gradHiddenType, tokens * width);
                using var gradHead = DeviceBuffer.Random(device, gradHeadType, vocabulary * width, 9, 1e-4f);
                double[] expectedLoss = new double[tokens], expectedHidden = new double[tokens * width], expectedHead = gradHead.ReadWide();
                LinearCrossEntropy.ReferenceRun(
                    data.WideHidden, data.WideHead, data.Targets, data.WideWeights, expectedLoss, expectedHidden, expectedHead, width,
                    vocabulary, Scale);

                Run(data, loss, gradHidden.Elements, gradHead.Elements, budget);
                string what = $"{tokens} tokens, {width} wide, {vocabulary} entries, budget {budget}: ";
                Errors.AssertClose(loss.Read(), expectedLoss, 2e-6, what + "loss");
                Errors.AssertClose(gradHidden.Read(), expectedHidden, data.GradientBound(gradHiddenType), what + "gradHidden");
                Errors.AssertClose(gradHead.Read(), expectedHead, data.HeadGradientBound(gradHeadType, budget), what + "gradHead");
                Assert.Equal(0f, loss.Read()[1]);
                Assert.Equal(new float[width], gradHidden.Read().AsSpan(width, width).ToArray());
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Gradients_can_be_asked_for_one_by_one_and_have_the_same_bits_every_time(DType type)
    {
        const int Tokens = 150, Width = 40, Vocabulary = 3001;
        using var device = Card.Open(type);
        using var data = new HeadData(device, type, type, Tokens, Width, Vocabulary);
        var first = Results(true, true);
        var second = Results(true, true);
        Assert.Equal(first.Loss, second.Loss);
        Assert.Equal(first.GradHidden, second.GradHidden);
        Assert.Equal(first.GradHead, second.GradHead);
        Assert.Equal(first.Loss, Results(false, false).Loss);
        Assert.Equal(first.GradHidden, Results(true, false).GradHidden);
        Assert.Equal(first.GradHead, Results(false, true).GradHead);

        (float[] Loss, float[] GradHidden, float[] GradHead) Results(bool withHidden, bool withHead)
        {
            using var loss = new DeviceBuffer(device, DType.F32, Tokens);
            using var gradHidden = new DeviceBuffer(device, type, Tokens * Width);
            using var gradHead = DeviceBuffer.From(device, type, new float[Vocabulary * Width]);
            Run(data, loss, withHidden ? gradHidden.Elements : default, withHead ? gradHead.Elements : default, null);
            return (loss.Read(), gradHidden.Read(), gradHead.Read());
        }
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Losses_of_a_head_of_integers_are_the_processors(DType type)
    {
        const int Tokens = 70, Width = 64, Vocabulary = 500;
        using var device = Card.Open();
        using var processor = new CpuDevice(2);
        using var data = new HeadData(device, DType.F32, DType.F32, Tokens, Width, Vocabulary);
        using var head = Kernels.Tests.GroupedTestMatrix.Gaussian(Vocabulary, Width, type, 4);
        using var arena = device.CreateArena("head");
        nint there = arena.Allocate(head.Bytes.Length);
        device.Upload(head.Bytes, there);
        using var hidden = GuardedFloats.From(Array.ConvertAll(data.WideHidden, value => (float)value));
        using var weights = GuardedFloats.From(data.Weights);
        using var expected = new GuardedFloats(Tokens);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        fixed (int* targets = data.Targets)
        {
            LinearCrossEntropy.Run(
                processor, hidden.Pointer, head.View, targets, weights.Pointer, expected.Pointer, default, default, Tokens, Width, Vocabulary, 1f);
        }

        LinearCrossEntropy.Run(
            device, data.Hidden, new MatrixView(there, type, Vocabulary, Width), (int*)data.TargetAddress, (float*)data.WeightAddress,
            (float*)loss.Address, default, default, Tokens, Width, Vocabulary, 1f);
        Errors.AssertClose(loss.Read(), Array.ConvertAll(expected.Span.ToArray(), value => (double)value), 1e-6, "loss");
    }

    [Fact]
    public void A_target_that_is_no_entry_makes_its_own_loss_nan_and_touches_nothing()
    {
        const int Tokens = 8, Width = 16, Vocabulary = 50;
        using var device = Card.Open();
        using var data = new HeadData(device, DType.F32, DType.F32, Tokens, Width, Vocabulary);
        int[] targets = [.. data.Targets];
        (targets[0], targets[2], targets[3]) = (Vocabulary, -1, int.MinValue);
        device.Upload<int>(targets, data.TargetAddress);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        using var gradHidden = new DeviceBuffer(device, DType.F32, Tokens * Width);
        using var gradHead = DeviceBuffer.From(device, DType.F32, new float[Vocabulary * Width]);
        Run(data, loss, gradHidden.Elements, gradHead.Elements, null);
        float[] losses = loss.Read(), gradients = gradHidden.Read();
        for (int t = 0; t < Tokens; t++)
        {
            Assert.Equal(t is 0 or 2 or 3, float.IsNaN(losses[t]));
            Assert.Equal(t is 0 or 2 or 3 || t % 4 == 1, !gradients.AsSpan(t * Width, Width).ContainsAnyExcept(0f));
        }

        Assert.DoesNotContain(gradHead.Read(), float.IsNaN);
    }

    [Fact]
    public void A_device_that_plans_takes_the_scratch_of_the_real_one()
    {
        const int Tokens = 100, Width = 16, Vocabulary = 2000;
        using var device = Card.Open(DType.BF16);
        using var planning = (CudaDevice)device.ForPlanning();
        using var data = new HeadData(device, DType.BF16, DType.BF16, Tokens, Width, Vocabulary);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        using var gradHidden = new DeviceBuffer(device, DType.BF16, Tokens * Width);
        using var gradHead = new DeviceBuffer(device, DType.BF16, Vocabulary * Width);
        foreach (CudaDevice each in (CudaDevice[])[device, planning])
        {
            LinearCrossEntropy.Run(
                each, data.Hidden, data.Head, (int*)data.TargetAddress, (float*)data.WeightAddress, (float*)loss.Address,
                gradHidden.Elements, gradHead.Elements, Tokens, Width, Vocabulary, 1f);
        }

        Assert.Equal(device.Scratch.HighWaterBytes, planning.Scratch.HighWaterBytes);
        Assert.InRange(device.Scratch.HighWaterBytes, Tokens * Vocabulary * sizeof(float), (Tokens * Vocabulary * sizeof(float)) + 4096);
        Assert.Equal(0, device.Scratch.UsedBytes);
    }

    private static void Run(HeadData data, DeviceBuffer loss, Elements gradHidden, Elements gradHead, long? budget) => LinearCrossEntropy.Run(
        data.Device, data.Hidden, data.Head, (int*)data.TargetAddress, (float*)data.WeightAddress, (float*)loss.Address, gradHidden, gradHead,
        data.Tokens, data.Width, data.Vocabulary, Scale, budget);
}
