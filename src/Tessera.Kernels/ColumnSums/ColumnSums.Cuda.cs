using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Sums over the rows of a matrix on a card: what gradients of gains and biases and statistics of channels are made of.</summary>
/// <remarks>
/// Two stages. Blocks of rows are added into partial rows; partial rows are added in order. How rows are cut depends on their number
/// alone, so the bits depend neither on the card's size nor on what else runs.
/// </remarks>
internal static unsafe class ColumnSums
{
    private const int BlockRows = 64;
    private const int MostPartials = 256;
    private const int Slices = 8;
    private const int Lanes = 32;

    // Numbers of ColumnSums.cu.
    private const int Double = 2;
    private const int MapValue = 0;
    private const int MapAbsolute = 1;
    private const int MapSquare = 2;
    private const int FinishAdd = 0;
    private const int FinishRoot = 1;

    private static readonly CudaKernel<PartialArguments> PartialKernel =
        new("ColumnSums.cu", "column_partials", "SOURCE", "SUM", "TARGET", "MAP", "FINISH", "PACK");

    private static readonly CudaKernel<TotalArguments> TotalKernel =
        new("ColumnSums.cu", "column_totals", "SOURCE", "SUM", "TARGET", "MAP", "FINISH", "PACK");

    /// <summary>target[i] += Σ_r source[r,i], in f32.</summary>
    /// <param name="cuda">Where to run.</param>
    /// <param name="source">[rows, columns], dense.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="target">[columns], accumulated, f32 or bf16.</param>
    public static void Add(CudaDevice cuda, Elements source, int rows, int columns, Elements target) =>
        Run(cuda, source, rows, columns, columns, (int)DType.F32, target.Address, CudaRows.Code(target), MapValue, FinishAdd);

    /// <summary>target[i] += Σ_r |source[r,i]|, in double.</summary>
    /// <inheritdoc cref="Add" />
    public static void AddAbsolute(CudaDevice cuda, Elements source, int rows, int columns, double* target) =>
        Run(cuda, source, rows, columns, columns, Double, (nint)target, Double, MapAbsolute, FinishAdd);

    /// <summary>target[i] = sqrt(Σ_r source[r,i]²), in double.</summary>
    /// <param name="cuda">Where to run.</param>
    /// <param name="source">f32 or bf16.</param>
    /// <param name="target">[source.Columns], assigned.</param>
    public static void RootOfSquares(CudaDevice cuda, in MatrixView source, double* target) =>
        Run(cuda, source.Elements, source.Rows, source.Columns, source.Stride, Double, (nint)target, Double, MapSquare, FinishRoot);

    /// <summary>target[i] += Σ_r partials[r,i]: the second stage alone.</summary>
    /// <param name="cuda">Where to run.</param>
    /// <param name="partials">[rows, columns].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="target">[columns], accumulated, f32 or bf16.</param>
    public static void AddPartials(CudaDevice cuda, float* partials, int rows, int columns, Elements target)
    {
        var variant = new KernelVariant((int)DType.F32, (int)DType.F32, CudaRows.Code(target), MapValue, FinishAdd, 1);
        Total(cuda, variant, (nint)partials, rows, columns, target.Address);
    }

    private static void Run(
        CudaDevice cuda, Elements source, int rows, int columns, long stride, int sum, nint target, int targetType, int map, int finish)
    {
        var mark = cuda.Scratch.Mark();
        int pack = CudaRows.Pack((uint)columns | stride, source.Address);
        int blockRows = Math.Max(BlockRows, CudaRows.Divide(CudaRows.Divide(rows, MostPartials), Slices) * Slices);
        int blocks = CudaRows.Divide(rows, blockRows);
        nint partials = cuda.Scratch.Allocate((long)blocks * columns * (sum == Double ? sizeof(double) : sizeof(float)));
        var variant = new KernelVariant(CudaRows.Code(source), sum, targetType, map, finish, pack);
        var grid = new CudaExtent(CudaRows.Divide(columns, Lanes * pack), blocks);
        PartialKernel.Launch(cuda, variant, grid, Slices * Lanes, 0, new PartialArguments
        {
            Source = source.Address,
            Partials = partials,
            Stride = stride,
            Rows = rows,
            Columns = columns,
            RowsOfBlock = blockRows,
        });
        Total(cuda, variant, partials, blocks, columns, target);
        cuda.Scratch.Release(mark);
    }

    private static void Total(CudaDevice cuda, in KernelVariant variant, nint partials, int rows, int columns, nint target) =>
        TotalKernel.Launch(cuda, variant, CudaRows.Divide(columns, Lanes), Lanes * Lanes, 0, new TotalArguments
        {
            Partials = partials,
            Target = target,
            Rows = rows,
            Columns = columns,
        });

    private struct PartialArguments
    {
        public nint Source;
        public nint Partials;
        public long Stride;
        public int Rows;
        public int Columns;
        public int RowsOfBlock;
    }

    private struct TotalArguments
    {
        public nint Partials;
        public nint Target;
        public int Rows;
        public int Columns;
    }
}
