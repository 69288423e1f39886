using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Distances between a student's and a teacher's hidden states, with the gradient for the student.</summary>
/// <remarks>
/// Cosine: loss_t = 1 − s·t / (‖s‖‖t‖); it is 1, without gradient, where one of the two is a zero vector.
/// Normalised mean square: loss = Σ (s − t)² / Σ t² over the whole tensor; 1 means no better than predicting zero.
/// Shapes: student, teacher, gradStudent [tokens, width]; tokenWeights, tokenLoss [tokens] f32. Dense.
/// Types: f32 on the processor; on a card student, teacher and gradient are each f32 or bf16.
/// Error: losses at most 1e-7 absolute plus 1e-6 relative, however close the two are: sums are taken in double. Gradients 1e-6 relative L2.
/// Determinism: bitwise, independent of thread count.
/// Cost: 8 bytes per element for the loss, 16 for the cosine's gradient, 12 more for the mean square's.
/// Source: Puzzle (Bercovich et al. 2025): the hidden-state term of global distillation; the loss of blockwise distillation.
/// </remarks>
public static unsafe partial class HiddenLoss
{
    /// <summary>1 − cosine per token; gradStudent += gradientScale · w_t · ∂loss_t/∂student.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="student">[tokens, width].</param>
    /// <param name="teacher">[tokens, width].</param>
    /// <param name="tokenWeights">[tokens]; 0 leaves a token out.</param>
    /// <param name="tokenLoss">[tokens], assigned: unweighted, 0 where the weight is 0.</param>
    /// <param name="gradStudent">[tokens, width], accumulated, or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="gradientScale">Multiplies every gradient.</param>
    public static void Cosine(
        Device device, Elements student, Elements teacher, float* tokenWeights, float* tokenLoss, Elements gradStudent,
        int tokens, int width, float gradientScale)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            CosineCuda(cuda, student, teacher, tokenWeights, tokenLoss, gradStudent, tokens, width, gradientScale);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        var arguments = new CosineArguments
        {
            Student = student.Floats,
            Teacher = teacher.Floats,
            Weights = tokenWeights,
            Loss = tokenLoss,
            Gradient = gradStudent.Floats,
            Tokens = tokens,
            Width = width,
            Scale = gradientScale,
        };
        RowLaunch.Run(cpu, &CosineBody, &arguments, (long)tokens * width);
    }

    /// <summary>Σ (s − t)² / Σ t²; gradStudent = gradientScale · 2 (s − t) / Σ t².</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="student">[tokens, width].</param>
    /// <param name="teacher">[tokens, width].</param>
    /// <param name="gradStudent">[tokens, width], assigned, or null; may be <paramref name="student"/>.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="gradientScale">Multiplies every gradient.</param>
    /// <param name="loss">
    /// Assigned in the device's memory, or null. A teacher of zeros has no loss: the result is 0 for a student of zeros and +Infinity
    /// otherwise, and the gradient is 0.
    /// </param>
    public static void NormalisedMse(
        Device device, Elements student, Elements teacher, Elements gradStudent, int tokens, int width, float gradientScale,
        double* loss)
    {
        RowLaunch.CheckSizes(tokens, width);
        if (device is CudaDevice cuda)
        {
            NormalisedMseCuda(cuda, student, teacher, gradStudent, (long)tokens * width, gradientScale, loss);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        long count = (long)tokens * width;
        int blocks = RowLaunch.Blocks(count, RowLaunch.BlockElements);
        var mark = cpu.Scratch.Mark();
        var arguments = new SquareArguments
        {
            Student = student.Floats,
            Teacher = teacher.Floats,
            Gradient = gradStudent.Floats,
            Count = count,
            Blocks = blocks,
            Differences = (double*)cpu.Scratch.Allocate((long)blocks * sizeof(double)),
            Norms = (double*)cpu.Scratch.Allocate((long)blocks * sizeof(double)),
        };
        RowLaunch.Run(cpu, &SquareBody, &arguments, count);
        double difference = 0, norm = 0;
        for (int block = 0; block < blocks; block++)
        {
            difference += arguments.Differences[block];
            norm += arguments.Norms[block];
        }

        cpu.Scratch.Release(mark);
        if (gradStudent.Exists)
        {
            arguments.Factor = norm == 0 ? 0f : (float)(2.0 * gradientScale / norm);
            RowLaunch.Run(cpu, &SquareGradientBody, &arguments, count);
        }

        if (loss is not null)
        {
            *loss = difference == 0 ? 0.0 : difference / norm;
        }
    }

    /// <summary>As the other, with the loss given to the host.</summary>
    public static double NormalisedMse(
        Device device, Elements student, Elements teacher, Elements gradStudent, int tokens, int width, float gradientScale)
    {
        var mark = device.Scratch.Mark();
        double* result = (double*)device.Scratch.Allocate(sizeof(double));
        NormalisedMse(device, student, teacher, gradStudent, tokens, width, gradientScale, result);
        double loss = 0;
        device.Download((nint)result, new Span<double>(ref loss));
        device.Scratch.Release(mark);
        return loss;
    }

    private struct CosineArguments
    {
        public float* Student;
        public float* Teacher;
        public float* Weights;
        public float* Loss;
        public float* Gradient;
        public int Tokens;
        public int Width;
        public float Scale;
    }

    private struct SquareArguments
    {
        public float* Student;
        public float* Teacher;
        public float* Gradient;
        public double* Differences;
        public double* Norms;
        public long Count;
        public int Blocks;
        public float Factor;
    }
}
