using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class LinearKlCudaTests
{
    private const float Scale = 0.7f;

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32, 1f)]
    [InlineData(DType.BF16, DType.BF16, DType.F32, 1f)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16, 2.5f)]
    [InlineData(DType.BF16, DType.F32, DType.F32, 0.7f)]
    [InlineData(DType.F32, DType.BF16, DType.F32, 2f)]
    public void Losses_and_gradients_match_the_reference(DType hidden, DType head, DType gradHeadType, float temperature)
    {
        const int TeacherWidth = 24;
        using var device = Card.Open(DType.BF16);
        foreach (var (tokens, width, vocabulary) in ((int, int, int)[])[(40, 17, 97), (130, 16, 1000), (33, 32, 4099)])
        {
            foreach (var (accumulate, budget) in ((bool, long?)[])[(false, null), (true, 1)])
            {
                using var data = new HeadData(device, hidden, head, tokens, width, vocabulary);
                using var teacher = new HeadData(device, hidden, head, tokens, TeacherWidth, vocabulary, 20);
                using var loss = new DeviceBuffer(device, DType.F32, tokens);
                using var gradHidden = DeviceBuffer.Random(device, hidden, tokens * width, 8, 1e-3f);
                using var gradHead = DeviceBuffer.Random(device, gradHeadType, vocabulary * width, 9, 1e-4f);
                double[] expectedLoss = new double[tokens], expectedHead = gradHead.ReadWide();
                double[] expectedHidden = accumulate ? gradHidden.ReadWide() : new double[tokens * width];
                LinearKl.ReferenceRun(
                    data.WideHidden, data.WideHead, teacher.WideHidden, teacher.WideHead, data.WideWeights, temperature, expectedLoss,
                    expectedHidden, expectedHead, vocabulary, Scale);

                Run(data, teacher, temperature, loss, gradHidden.Elements, accumulate, gradHead.Elements, budget);
                string what = $"{tokens} tokens, {width} wide, {vocabulary} entries, budget {budget}: ";
                Errors.AssertClose(loss.Read(), expectedLoss, 5e-6, what + "loss");
                Errors.AssertClose(gradHidden.Read(), expectedHidden, data.GradientBound(hidden), what + "gradHidden");
                Errors.AssertClose(gradHead.Read(), expectedHead, data.HeadGradientBound(gradHeadType, budget), what + "gradHead");
                Assert.Equal(0f, loss.Read()[1]);
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Equal_models_have_no_divergence_and_no_gradient(DType type)
    {
        const int Tokens = 50, Width = 32, Vocabulary = 1003;
        using var device = Card.Open(type);
        using var data = new HeadData(device, type, type, Tokens, Width, Vocabulary);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        using var gradHidden = new DeviceBuffer(device, type, Tokens * Width);
        using var gradHead = DeviceBuffer.From(device, type, new float[Vocabulary * Width]);
        Run(data, data, 1.5f, loss, gradHidden.Elements, false, gradHead.Elements, null);
        Assert.Equal(new float[Tokens], loss.Read());
        Assert.Equal(new float[Tokens * Width], gradHidden.Read());
        Assert.Equal(new float[Vocabulary * Width], gradHead.Read());
    }

    [Fact]
    public void Losses_alone_have_the_bits_of_losses_with_gradients_and_of_a_second_run()
    {
        const int Tokens = 70, Width = 32, Vocabulary = 2500;
        using var device = Card.Open(DType.BF16);
        using var data = new HeadData(device, DType.BF16, DType.BF16, Tokens, Width, Vocabulary);
        using var teacher = new HeadData(device, DType.BF16, DType.BF16, Tokens, Width, Vocabulary, 20);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        using var gradHidden = new DeviceBuffer(device, DType.BF16, Tokens * Width);
        Run(data, teacher, 1f, loss, gradHidden.Elements, false, default, null);
        float[] losses = loss.Read(), gradients = gradHidden.Read();
        Run(data, teacher, 1f, loss, gradHidden.Elements, false, default, null);
        Assert.Equal(losses, loss.Read());
        Assert.Equal(gradients, gradHidden.Read());
        Run(data, teacher, 1f, loss, default, false, default, null);
        Errors.AssertClose(loss.Read(), Array.ConvertAll(losses, value => (double)value), 1e-6, "without gradients");
    }

    [Theory]
    [InlineData(DType.F32, 1f)]
    [InlineData(DType.BF16, 1f)]
    [InlineData(DType.BF16, 2.5f)]
    public void What_targets_lose_to_the_teacher_comes_along_and_changes_no_bit(DType type, float temperature)
    {
        const int Tokens = 130, Width = 24, Vocabulary = 4099;
        using var device = Card.Open(type);
        using var data = new HeadData(device, type, type, Tokens, Width, Vocabulary);
        using var teacher = new HeadData(device, type, type, Tokens, Width, Vocabulary, 20);
        using var loss = new DeviceBuffer(device, DType.F32, Tokens);
        using var excess = DeviceBuffer.Random(device, DType.F32, Tokens, 5, 1f);
        using var gradHidden = new DeviceBuffer(device, type, Tokens * Width);
        double[] student = new double[Tokens], expected = new double[Tokens];
        LinearLogProb.ReferenceRun(data.WideHidden, data.WideHead, data.Targets, data.WideWeights, temperature, student, new double[Tokens], Width, Vocabulary);
        LinearLogProb.ReferenceRun(teacher.WideHidden, teacher.WideHead, data.Targets, data.WideWeights, temperature, expected, new double[Tokens], Width, Vocabulary);
        for (int t = 0; t < Tokens; t++)
        {
            expected[t] -= student[t];
        }

        foreach (long? budget in (long?[])[null, 1])
        {
            Run(data, teacher, temperature, loss, gradHidden.Elements, false, default, budget);
            float[] losses = loss.Read(), gradients = gradHidden.Read();
            Run(data, teacher, temperature, loss, gradHidden.Elements, false, default, budget, excess);
            Errors.AssertClose(excess.Read(), expected, 5e-6, $"beside gradients, budget {budget}");
            Assert.Equal(losses, loss.Read());
            Assert.Equal(gradients, gradHidden.Read());
            Run(data, teacher, temperature, loss, default, false, default, budget, excess);
            Errors.AssertClose(excess.Read(), expected, 5e-6, $"alone, budget {budget}");
            Assert.Equal(0f, excess.Read()[1]);
        }
    }

    private static void Run(
        HeadData student, HeadData teacher, float temperature, DeviceBuffer loss, Elements gradHidden, bool accumulate, Elements gradHead,
        long? budget, DeviceBuffer? excess = null) => LinearKl.Run(
        student.Device, student.Hidden, student.Head, teacher.Hidden, teacher.Head, (float*)student.WeightAddress, temperature,
        (float*)loss.Address, gradHidden, accumulate, gradHead, student.Tokens, student.Width, teacher.Width, student.Vocabulary, Scale,
        budget, excess is null ? null : (int*)student.TargetAddress, excess is null ? null : (float*)excess.Address);
}
