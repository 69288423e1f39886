using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearKl
{
    private static readonly CudaKernel<CudaArguments> CudaLoss = new("LinearKl.cu", "linear_kl", "GRADIENT");

    private static void RunCuda(
        CudaDevice cuda, Elements studentHidden, in MatrixView studentHead, Elements teacherHidden, in MatrixView teacherHead,
        float* tokenWeights, float temperature, float* tokenLoss, Elements gradHidden, bool accumulateGradHidden, Elements gradHead,
        int tokens, int studentWidth, int teacherWidth, int vocabulary, float gradientScale, long budgetBytes,
        int* targets, float* targetExcess)
    {
        int gradient = CudaLogits.GradientOf(studentHidden, studentHead, gradHidden, gradHead);
        int chunk = CudaLogits.ChunkTokens(tokens, vocabulary, 2, budgetBytes);
        var mark = cuda.Scratch.Mark();
        var student = new CudaLogits(cuda, chunk, vocabulary);
        var teacher = new CudaLogits(cuda, chunk, vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            var rows = studentHidden + ((long)first * studentWidth);
            var guides = teacherHidden + ((long)first * teacherWidth);
            var input = new MatrixView(rows.Address, rows.Type, count, studentWidth);
            student.Multiply(input, studentHead);
            teacher.Multiply(new MatrixView(guides.Address, guides.Type, count, teacherWidth), teacherHead);
            CudaLoss.Launch(cuda, new KernelVariant(gradient), count, CudaLogits.ThreadsOf(vocabulary), 0, new CudaArguments
            {
                Student = student.Address,
                Teacher = teacher.Address,
                Weights = tokenWeights + first,
                Loss = tokenLoss + first,
                Targets = targets is null ? null : targets + first,
                Excess = targetExcess is null ? null : targetExcess + first,
                Stride = student.Stride,
                Vocabulary = vocabulary,
                Temperature = temperature,
                Scale = gradientScale,
            });
            var gradChunk = gradHidden.Exists ? gradHidden + ((long)first * studentWidth) : default;
            student.Gradients(gradient, input, studentHead, gradChunk, accumulateGradHidden, gradHead);
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaArguments
    {
        public nint Student;
        public nint Teacher;
        public float* Weights;
        public float* Loss;
        public int* Targets;
        public float* Excess;
        public long Stride;
        public int Vocabulary;
        public float Temperature;
        public float Scale;
    }
}
