using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class HiddenLossTests
{
    public static TheoryData<int, int> Shapes => RowData.Shapes;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Cosine_matches_the_reference_and_accumulates_its_gradient(int tokens, int width)
    {
        const float Scale = 0.25f;
        using var device = new CpuDevice(2);
        using var student = GuardedFloats.Random(tokens * width, 1, misalignment: 1);
        using var teacher = GuardedFloats.Random(tokens * width, 2);
        using var weights = GuardedFloats.From([.. Enumerable.Range(0, tokens).Select(t => t % 3 == 2 ? 0f : 1f + t)]);
        using var loss = new GuardedFloats(tokens);
        using var gradient = GuardedFloats.Random(tokens * width, 3);
        double[] expectedLoss = new double[tokens], expected = RowData.Wide(gradient.Span);
        var row = new double[width];
        for (int t = 0; t < tokens; t++)
        {
            double value = HiddenLoss.ReferenceCosine(Row(student, t, width), Row(teacher, t, width), row);
            expectedLoss[t] = weights.Span[t] == 0 ? 0 : value;
            for (int i = 0; i < width; i++)
            {
                expected[(t * width) + i] += Scale * weights.Span[t] * row[i];
            }
        }

        HiddenLoss.Cosine(
            device, student.Pointer, teacher.Pointer, weights.Pointer, loss.Pointer, gradient.Pointer, tokens, width, Scale);
        Errors.AssertClose(loss.Checked(), expectedLoss, 1e-6, "loss");
        Errors.AssertClose(gradient.Checked(), expected, 1e-6, "gradient");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Normalised_square_matches_the_reference_and_assigns_its_gradient(int tokens, int width)
    {
        const float Scale = 3f;
        using var device = new CpuDevice(2);
        using var student = GuardedFloats.Random(tokens * width, 1, misalignment: 1);
        using var teacher = GuardedFloats.Random(tokens * width, 2);
        using var gradient = new GuardedFloats(tokens * width);
        var expected = new double[tokens * width];
        double value = HiddenLoss.ReferenceNormalisedMse(RowData.Wide(student.Span), RowData.Wide(teacher.Span), expected);

        double actual = HiddenLoss.NormalisedMse(device, student.Pointer, teacher.Pointer, gradient.Pointer, tokens, width, Scale);
        Assert.Equal(tokens == 0 ? 0 : value, actual, 1e-10 * (1 + (tokens == 0 ? 0 : value)));
        Errors.AssertClose(gradient.Checked(), [.. expected.Select(g => Scale * g)], 1e-6, "gradient");
        Assert.Equal(actual, HiddenLoss.NormalisedMse(device, student.Pointer, teacher.Pointer, null, tokens, width, Scale));
    }

    [Fact]
    public void The_references_agree_with_central_differences()
    {
        double[] student = RowData.Gaussians(7, 1), teacher = RowData.Gaussians(7, 2), gradient = new double[7], unused = new double[7];
        HiddenLoss.ReferenceCosine(student, teacher, gradient);
        RowData.AssertIsGradient(at => HiddenLoss.ReferenceCosine(at, teacher, unused), student, gradient);
        HiddenLoss.ReferenceNormalisedMse(student, teacher, gradient);
        RowData.AssertIsGradient(at => HiddenLoss.ReferenceNormalisedMse(at, teacher, unused), student, gradient);
    }

    [Fact]
    public void Nearly_parallel_vectors_keep_their_small_cosine_loss_and_its_direction()
    {
        const int Width = 100;
        using var device = new CpuDevice(1);
        using var teacher = GuardedFloats.Random(Width, 1);
        using var student = GuardedFloats.From(teacher.Span);
        for (int i = 0; i < Width; i++)
        {
            student.Span[i] *= 1f + (1e-4f * (i % 3));
        }

        using var weights = GuardedFloats.From([1f]);
        using var loss = new GuardedFloats(1);
        using var gradient = GuardedFloats.Zeros(Width);
        var expectedGradient = new double[Width];
        double expected = HiddenLoss.ReferenceCosine(RowData.Wide(student.Span), RowData.Wide(teacher.Span), expectedGradient);
        HiddenLoss.Cosine(device, student.Pointer, teacher.Pointer, weights.Pointer, loss.Pointer, gradient.Pointer, 1, Width, 1f);
        Assert.InRange(expected, 1e-10, 1e-8);
        Errors.AssertClose(loss.Span, [expected], 1e-6, "loss");
        Errors.AssertClose(gradient.Span, expectedGradient, 1e-6, "gradient");
    }

    [Fact]
    public void Closed_forms_hold_for_equal_opposite_zero_and_doubled_vectors()
    {
        const int Width = 20;
        using var device = new CpuDevice(1);
        using var teacher = GuardedFloats.Random(4 * Width, 1);
        using var student = GuardedFloats.From(teacher.Span);
        for (int i = 0; i < Width; i++)
        {
            student.Span[Width + i] *= -1f;
            student.Span[(2 * Width) + i] = 0f;
            student.Span[(3 * Width) + i] *= 2f;
        }

        using var weights = GuardedFloats.From([1f, 1f, 1f, 1f]);
        using var loss = new GuardedFloats(4);
        using var gradient = GuardedFloats.Zeros(4 * Width);
        HiddenLoss.Cosine(device, student.Pointer, teacher.Pointer, weights.Pointer, loss.Pointer, gradient.Pointer, 4, Width, 1f);
        Errors.AssertClose(loss.Span, [0, 2, 1, 0], 1e-7, "loss");
        Assert.Equal(new float[Width], gradient.Span.Slice(2 * Width, Width));

        double Square(int row, float* target) => HiddenLoss.NormalisedMse(
            device, student.Pointer + (row * Width), target, null, 1, Width, 1f);
        Assert.Equal(0.0, Square(0, teacher.Pointer));
        Assert.Equal(4.0, Square(1, teacher.Pointer + Width), 1e-12);
        Assert.Equal(1.0, Square(2, teacher.Pointer + (2 * Width)), 1e-12);
        Assert.Equal(0.0, Square(2, student.Pointer + (2 * Width)));
        Assert.Equal(double.PositiveInfinity, Square(0, student.Pointer + (2 * Width)));
        HiddenLoss.NormalisedMse(device, student.Pointer, student.Pointer + (2 * Width), gradient.Pointer, 1, Width, 1f);
        Assert.Equal(new float[Width], gradient.Span[..Width]);
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        const int Tokens = 300, Width = 257;
        RowData.AssertSameBits(device =>
        {
            using var student = GuardedFloats.Random(Tokens * Width, 1);
            using var teacher = GuardedFloats.Random(Tokens * Width, 2);
            using var weights = GuardedFloats.Random(Tokens, 3);
            using var loss = new GuardedFloats(Tokens);
            using var gradient = new GuardedFloats(Tokens * Width);
            double square = HiddenLoss.NormalisedMse(device, student.Pointer, teacher.Pointer, gradient.Pointer, Tokens, Width, 2f);
            HiddenLoss.Cosine(
                device, student.Pointer, teacher.Pointer, weights.Pointer, loss.Pointer, gradient.Pointer, Tokens, Width, 0.5f);
            return [.. loss.Span, .. gradient.Span, (float)square, (float)(square - (float)square)];
        });
    }

    private static double[] Row(GuardedFloats buffer, int row, int width) => RowData.Wide(buffer.Span.Slice(row * width, width));
}
