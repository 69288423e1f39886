using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    private const int CosinePacks = 2;
    private const int CudaThreads = 256;
    private const int TotalThreads = 1024;

    // Elements of one partial sum of the mean square.
    private const int CudaBlock = 32_768;

    private static readonly CudaKernel<CudaCosine> CosineKernel =
        new("HiddenLoss.cu", "hidden_cosine", "STUDENT", "TEACHER", "GRADIENT", "PACK", "WARPS", "CHUNKS");

    private static readonly CudaKernel<CudaSquare> PartialKernel = SquareKernel("square_partials");
    private static readonly CudaKernel<CudaSquare> TotalKernel = SquareKernel("square_totals");
    private static readonly CudaKernel<CudaSquare> GradientKernel = SquareKernel("square_gradient");

    private static CudaKernel<CudaSquare> SquareKernel(string entry) => new("HiddenLoss.cu", entry, "STUDENT", "TEACHER", "GRADIENT", "PACK");

    private static void CosineCuda(
        CudaDevice cuda, Elements student, Elements teacher, float* tokenWeights, float* tokenLoss, Elements gradStudent, int tokens,
        int width, float gradientScale)
    {
        var cut = CudaRows.RowCut.Of(width, CosinePacks, student.Address, teacher.Address, gradStudent.Address);
        var variant = new KernelVariant(
            CudaRows.Code(student), CudaRows.Code(teacher), CudaRows.Code(gradStudent), cut.Pack, cut.Warps, cut.Chunks);
        CosineKernel.Launch(cuda, variant, CudaRows.Divide(tokens, cut.Rows), cut.Threads, 0, new CudaCosine
        {
            Student = student.Address,
            Teacher = teacher.Address,
            Weights = tokenWeights,
            Loss = tokenLoss,
            Gradient = gradStudent.Address,
            Tokens = tokens,
            Width = width,
            Scale = gradientScale,
        });
    }

    private static void NormalisedMseCuda(
        CudaDevice cuda, Elements student, Elements teacher, Elements gradStudent, long count, float gradientScale, double* loss)
    {
        var mark = cuda.Scratch.Mark();
        int blocks = CudaRows.Divide(count, CudaBlock);
        int pack = CudaRows.Pack(CudaRows.WidePack, student.Address, teacher.Address, gradStudent.Address);
        var variant = new KernelVariant(CudaRows.Code(student), CudaRows.Code(teacher), CudaRows.Code(gradStudent), pack);
        var arguments = new CudaSquare
        {
            Student = student.Address,
            Teacher = teacher.Address,
            Gradient = gradStudent.Address,
            Partials = (double*)cuda.Scratch.Allocate(2L * blocks * sizeof(double)),
            Totals = (double*)cuda.Scratch.Allocate(2 * sizeof(double)),
            Loss = loss,
            Count = count,
            Blocks = blocks,
            Scale = gradientScale,
        };
        PartialKernel.Launch(cuda, variant, blocks, CudaThreads, 0, arguments);
        TotalKernel.Launch(cuda, variant, 1, TotalThreads, 0, arguments);
        if (gradStudent.Exists)
        {
            GradientKernel.Launch(cuda, variant, blocks, CudaThreads, 0, arguments);
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaCosine
    {
        public nint Student;
        public nint Teacher;
        public float* Weights;
        public float* Loss;
        public nint Gradient;
        public int Tokens;
        public int Width;
        public float Scale;
    }

    private struct CudaSquare
    {
        public nint Student;
        public nint Teacher;
        public nint Gradient;
        public double* Partials;
        public double* Totals;
        public double* Loss;
        public long Count;
        public int Blocks;
        public float Scale;
    }
}
