using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class LinearKlTests
{
    [Theory]
    [InlineData(1, 1, 1, 2, 1f)]
    [InlineData(5, 7, 3, 15, 2f)]
    [InlineData(3, 16, 16, 16, 0.5f)]
    [InlineData(64, 17, 24, 33, 1f)]
    [InlineData(65, 32, 8, 64, 4f)]
    [InlineData(7, 24, 5, 8200, 1f)]
    public void Losses_and_gradients_match_the_reference(int tokens, int studentWidth, int teacherWidth, int vocabulary, float temperature)
    {
        const float Scale = 0.5f;
        using var device = new CpuDevice(2);
        using var data = new Data(tokens, studentWidth, teacherWidth, vocabulary);
        using var loss = new GuardedFloats(tokens);
        using var gradHidden = new GuardedFloats(tokens * studentWidth);
        using var accumulated = GuardedFloats.Random(tokens * studentWidth, 8);
        using var gradHead = GuardedFloats.Random(vocabulary * studentWidth, 9);
        double[] expectedLoss = new double[tokens], expectedHidden = new double[tokens * studentWidth];
        double[] expectedSum = RowData.Wide(accumulated.Span), expectedHead = RowData.Wide(gradHead.Span);
        data.Reference(temperature, expectedLoss, expectedHidden, expectedHead, Scale);
        data.Reference(temperature, expectedLoss, expectedSum, new double[vocabulary * studentWidth], Scale);

        data.Run(device, temperature, loss.Pointer, gradHidden.Pointer, false, gradHead.Pointer, Scale);
        Errors.AssertClose(loss.Checked(), expectedLoss, 5e-6, "loss");
        Errors.AssertClose(gradHidden.Checked(), expectedHidden, 5e-6, "gradHidden");
        Errors.AssertClose(gradHead.Checked(), expectedHead, 5e-6, "gradHead");

        float[] before = loss.Span.ToArray();
        data.Run(device, temperature, loss.Pointer, accumulated.Pointer, true, null, Scale);
        Errors.AssertClose(accumulated.Checked(), expectedSum, 5e-6, "gradHidden accumulated");
        Assert.Equal(before, loss.Checked());
    }

    [Theory]
    [InlineData(0.5f)]
    [InlineData(1f)]
    [InlineData(3f)]
    public void A_student_that_equals_its_teacher_has_no_loss_and_no_gradient(float temperature)
    {
        using var device = new CpuDevice(2);
        using var data = new Data(20, 12, 12, 1000);
        data.Weights.Span.Fill(1f);
        data.StudentHidden.Span.CopyTo(data.TeacherHidden.Span);
        data.StudentHead.Span.CopyTo(data.TeacherHead.Span);
        using var loss = new GuardedFloats(20);
        using var gradHidden = new GuardedFloats(20 * 12);
        data.Run(device, temperature, loss.Pointer, gradHidden.Pointer, false, null, 1f);
        Assert.Equal(new float[20], loss.Span);
        Assert.Equal(new float[20 * 12], gradHidden.Span);
    }

    [Theory]
    [InlineData(1e-1)]
    [InlineData(1e-2)]
    [InlineData(1e-3)]
    [InlineData(1e-4)]
    public void Tiny_divergences_keep_their_precision(double size)
    {
        // The heads are the identity, so the logits are the hidden states to the bit and only the divergence itself is tested.
        const int Tokens = 8, Vocabulary = 203;
        using var device = new CpuDevice(1);
        using var data = Data.WithLogits(Tokens, Vocabulary);
        for (int i = 0; i < Tokens * Vocabulary; i++)
        {
            data.TeacherHidden.Span[i] *= 3f;
            data.StudentHidden.Span[i] = data.TeacherHidden.Span[i] + (float)(size * data.StudentHidden.Span[i]);
        }

        using var loss = new GuardedFloats(Tokens);
        using var gradient = new GuardedFloats(Tokens * Vocabulary);
        double[] expectedLoss = new double[Tokens], expectedGradient = new double[Tokens * Vocabulary];
        data.Reference(1f, expectedLoss, expectedGradient, new double[Vocabulary * Vocabulary], 1.0);
        data.Run(device, 1f, loss.Pointer, gradient.Pointer, false, null, 1f);
        Assert.All(expectedLoss, value => Assert.InRange(value, 1e-2 * size * size, 2 * size * size));
        Errors.AssertClose(loss.Span, expectedLoss, 1e-5, "loss");

        // The normalisers are known to about 1e-7, which is that much of a gradient of this size.
        Errors.AssertClose(gradient.Span, expectedGradient, 2e-6 + (3e-7 / size), "gradient");
    }

    [Fact]
    public void Extreme_logits_give_finite_losses_that_match_the_reference()
    {
        const int Vocabulary = 37;
        using var device = new CpuDevice(1);
        using var data = Data.WithLogits(4, Vocabulary);
        data.StudentHidden.Span.Clear();
        data.TeacherHidden.Span.Clear();
        data.TeacherHidden.Span[3] = 500f;
        data.StudentHidden.Span[Vocabulary + 5] = 500f;
        data.TeacherHidden.Span[(2 * Vocabulary) + 1] = 300f;
        data.StudentHidden.Span[(2 * Vocabulary) + 2] = 300f;
        data.StudentHidden.Span.Slice(3 * Vocabulary, Vocabulary).Fill(-2000f);
        using var loss = new GuardedFloats(4);
        using var gradient = new GuardedFloats(4 * Vocabulary);
        double[] expectedLoss = new double[4], expectedGradient = new double[4 * Vocabulary];
        data.Reference(1f, expectedLoss, expectedGradient, new double[Vocabulary * Vocabulary], 1.0);
        data.Run(device, 1f, loss.Pointer, gradient.Pointer, false, null, 1f);
        Assert.Equal(Math.Log(Vocabulary), expectedLoss[0], 1e-12);
        Assert.Equal(300.0, expectedLoss[2], 1e-9);
        Assert.Equal(0.0, loss.Span[3], 1e-7);
        Errors.AssertClose(loss.Span, expectedLoss, 1e-6, "loss");
        Errors.AssertClose(gradient.Span, expectedGradient, 1e-6, "gradient");
    }

    [Fact]
    public void No_divergence_is_negative()
    {
        const int Tokens = 200, Vocabulary = 61;
        using var device = new CpuDevice(2);
        using var data = Data.WithLogits(Tokens, Vocabulary);
        for (int i = 0; i < Tokens * Vocabulary; i++)
        {
            data.StudentHidden.Span[i] = data.TeacherHidden.Span[i] * (1f + (1e-7f * (i % 5)));
        }

        using var loss = new GuardedFloats(Tokens);
        data.Run(device, 1f, loss.Pointer, null, false, null, 1f);
        Assert.All(loss.Span.ToArray(), value => Assert.InRange(value, 0f, 1e-12f));
    }

    [Fact]
    public void The_reference_agrees_with_central_differences()
    {
        const int Vocabulary = 6;
        double[] student = RowData.Gaussians(2 * 3, 1), studentHead = RowData.Gaussians(Vocabulary * 3, 2);
        double[] teacher = RowData.Gaussians(2 * 4, 3), teacherHead = RowData.Gaussians(Vocabulary * 4, 4), weights = [0.7, 1.2];
        double[] gradHidden = new double[student.Length], gradHead = new double[studentHead.Length];
        LinearKl.ReferenceRun(
            student, studentHead, teacher, teacherHead, weights, 2.0, new double[2], gradHidden, gradHead, Vocabulary, 1.0);
        double Value(double[] atHidden, double[] atHead)
        {
            var loss = new double[2];
            LinearKl.ReferenceRun(
                atHidden, atHead, teacher, teacherHead, weights, 2.0, loss, new double[student.Length], new double[studentHead.Length],
                Vocabulary, 1.0);
            return RowData.Dot(loss, weights);
        }

        RowData.AssertIsGradient(at => Value(at, studentHead), student, gradHidden);
        RowData.AssertIsGradient(at => Value(student, at), studentHead, gradHead);
    }

    [Fact]
    public void Chunks_without_weight_leave_an_accumulated_gradient_alone_and_clear_an_assigned_one()
    {
        const int Tokens = 130, Width = 5, Vocabulary = 333;
        const long Budget = 2 * 64 * Vocabulary * sizeof(float);
        Assert.Equal(64, LinearCrossEntropy.ChunkTokens(Vocabulary, 2, Budget));
        using var device = new CpuDevice(2);
        using var data = new Data(Tokens, Width, 3, Vocabulary);
        data.Weights.Span.Clear();
        data.Weights.Span[129] = 1f;
        using var loss = new GuardedFloats(Tokens);
        using var assigned = new GuardedFloats(Tokens * Width);
        using var accumulated = GuardedFloats.Random(Tokens * Width, 5);
        double[] expectedLoss = new double[Tokens], expected = new double[Tokens * Width], expectedSum = RowData.Wide(accumulated.Span);
        data.Reference(1f, expectedLoss, expected, new double[Vocabulary * Width], 1.0);
        data.Reference(1f, expectedLoss, expectedSum, new double[Vocabulary * Width], 1.0);

        data.Run(device, 1f, loss.Pointer, assigned.Pointer, false, null, 1f, Budget);
        data.Run(device, 1f, loss.Pointer, accumulated.Pointer, true, null, 1f, Budget);
        Errors.AssertClose(loss.Checked(), expectedLoss, 5e-6, "loss");
        Errors.AssertClose(assigned.Checked(), expected, 5e-6, "assigned");
        Errors.AssertClose(accumulated.Checked(), expectedSum, 5e-6, "accumulated");
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var data = new Data(70, 33, 20, 301);
        using var loss = new GuardedFloats(70);
        using var gradHidden = new GuardedFloats(70 * 33);
        using var gradHead = GuardedFloats.Zeros(301 * 33);
        data.Run(device, 2f, loss.Pointer, gradHidden.Pointer, false, gradHead.Pointer, 1f);
        return [.. loss.Span, .. gradHidden.Span, .. gradHead.Span];
    });

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_temperature_that_is_not_positive_is_refused(float temperature)
    {
        using var device = new CpuDevice(1);
        using var data = new Data(1, 2, 2, 3);
        using var loss = new GuardedFloats(1);
        Assert.Throws<ArgumentException>(() => data.Run(device, temperature, loss.Pointer, null, false, null, 1f));
    }

    [Theory]
    [InlineData(1, 1, 1, 2, 1f)]
    [InlineData(65, 17, 24, 33, 1f)]
    [InlineData(130, 32, 8, 64, 2.5f)]
    [InlineData(7, 24, 5, 8200, 0.5f)]
    public void What_targets_lose_to_the_teacher_comes_along_and_changes_no_bit(int tokens, int studentWidth, int teacherWidth, int vocabulary, float temperature)
    {
        const long Budget = 1;
        using var device = new CpuDevice(2);
        using var data = new Data(tokens, studentWidth, teacherWidth, vocabulary);
        using var loss = new GuardedFloats(tokens);
        using var excess = new GuardedFloats(tokens);
        using var gradHidden = new GuardedFloats(tokens * studentWidth);
        int[] targets = [.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? -100 : t * 7 % vocabulary)];
        double[] student = new double[tokens], teacher = new double[tokens], weights = RowData.Wide(data.Weights.Span);
        LinearLogProb.ReferenceRun(
            RowData.Wide(data.StudentHidden.Span), RowData.Wide(data.StudentHead.Span), targets, weights, temperature, student, new double[tokens], studentWidth, vocabulary);
        LinearLogProb.ReferenceRun(
            RowData.Wide(data.TeacherHidden.Span), RowData.Wide(data.TeacherHead.Span), targets, weights, temperature, teacher, new double[tokens], teacherWidth, vocabulary);
        double[] expected = [.. teacher.Zip(student, (of, from) => of - from)];

        data.Run(device, temperature, loss.Pointer, gradHidden.Pointer, false, null, 1f, Budget);
        float[] losses = loss.Checked().ToArray(), gradients = gradHidden.Checked().ToArray();
        fixed (int* given = targets)
        {
            data.Run(device, temperature, loss.Pointer, gradHidden.Pointer, false, null, 1f, Budget, given, excess.Pointer);
            Errors.AssertClose(excess.Checked(), expected, 5e-6, "excess beside gradients");
            Assert.Equal(losses, loss.Checked());
            Assert.Equal(gradients, gradHidden.Checked());
            data.Run(device, temperature, loss.Pointer, null, false, null, 1f, Budget, given, excess.Pointer);
            Errors.AssertClose(excess.Checked(), expected, 5e-6, "excess alone");
        }

        Assert.All(targets.Index().Where(pair => pair.Item < 0), pair => Assert.Equal(0f, excess.Span[pair.Index]));
    }

    [Fact]
    public void A_target_outside_the_vocabulary_and_half_of_a_pair_are_refused()
    {
        using var device = new CpuDevice(1);
        using var data = new Data(3, 2, 2, 5);
        using var loss = new GuardedFloats(3);
        using var excess = new GuardedFloats(3);
        int* targets = stackalloc int[] { 0, -100, 5 };
        Assert.Throws<ArgumentException>(() => data.Run(device, 1f, loss.Pointer, null, false, null, 1f, targets: targets, excess: excess.Pointer));
        Assert.Throws<ArgumentException>(() => data.Run(device, 1f, loss.Pointer, null, false, null, 1f, excess: excess.Pointer));
    }

    private sealed class Data : IDisposable
    {
        private readonly int _studentWidth;
        private readonly int _teacherWidth;
        private readonly int _vocabulary;

        public Data(int tokens, int studentWidth, int teacherWidth, int vocabulary)
        {
            (_studentWidth, _teacherWidth, _vocabulary) = (studentWidth, teacherWidth, vocabulary);
            StudentHidden = GuardedFloats.Random(tokens * studentWidth, 1);
            StudentHead = GuardedFloats.Random(vocabulary * studentWidth, 2, 1f / MathF.Sqrt(studentWidth));
            TeacherHidden = GuardedFloats.Random(tokens * teacherWidth, 3);
            TeacherHead = GuardedFloats.Random(vocabulary * teacherWidth, 4, 1f / MathF.Sqrt(teacherWidth));
            Weights = GuardedFloats.From([.. Enumerable.Range(0, tokens).Select(t => t % 4 == 1 ? 0f : 0.01f * (t + 1))]);
        }

        public GuardedFloats StudentHidden { get; }

        public GuardedFloats StudentHead { get; }

        public GuardedFloats TeacherHidden { get; }

        public GuardedFloats TeacherHead { get; }

        public GuardedFloats Weights { get; }

        /// <summary>Heads that are the identity: hidden states are logits.</summary>
        public static Data WithLogits(int tokens, int vocabulary)
        {
            var data = new Data(tokens, vocabulary, vocabulary, vocabulary);
            data.StudentHead.Span.Clear();
            for (int v = 0; v < vocabulary; v++)
            {
                data.StudentHead.Span[(v * vocabulary) + v] = 1f;
            }

            data.StudentHead.Span.CopyTo(data.TeacherHead.Span);
            data.Weights.Span.Fill(1f);
            return data;
        }

        public void Reference(float temperature, double[] loss, double[] gradHidden, double[] gradHead, double scale) =>
            LinearKl.ReferenceRun(
                RowData.Wide(StudentHidden.Span), RowData.Wide(StudentHead.Span), RowData.Wide(TeacherHidden.Span),
                RowData.Wide(TeacherHead.Span), RowData.Wide(Weights.Span), temperature, loss, gradHidden, gradHead, _vocabulary, scale);

        public void Run(
            CpuDevice device, float temperature, float* loss, float* gradHidden, bool accumulate, float* gradHead, float scale,
            long budgetBytes = LinearCrossEntropy.LogitsBudgetBytes, int* targets = null, float* excess = null) =>
            LinearKl.Run(
                device, StudentHidden.Pointer, new MatrixView((nint)StudentHead.Pointer, DType.F32, _vocabulary, _studentWidth),
                TeacherHidden.Pointer, new MatrixView((nint)TeacherHead.Pointer, DType.F32, _vocabulary, _teacherWidth),
                Weights.Pointer, temperature, loss, gradHidden, accumulate, gradHead, (int)Weights.Length, _studentWidth, _teacherWidth,
                _vocabulary, scale, budgetBytes, targets, excess);

        public void Dispose()
        {
            StudentHidden.Dispose();
            StudentHead.Dispose();
            TeacherHidden.Dispose();
            TeacherHead.Dispose();
            Weights.Dispose();
        }
    }
}
