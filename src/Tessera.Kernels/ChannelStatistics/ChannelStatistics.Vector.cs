using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    // Rows are added four at a time, which quarters the traffic to the partial row.
    private const int Group = 4;

    // Columns worked on at a time: their partial sums stay in the first-level cache while the rows of a block pass by.
    private const int ChunkColumns = 4096;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AbsoluteBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, RowLaunch.BlockTokens);
        for (int block = start; block < end; block += RowLaunch.BlockTokens)
        {
            int rows = Math.Min(RowLaunch.BlockTokens, end - block);
            float* partial = a.Partials + ((long)(block / RowLaunch.BlockTokens) * a.Width);
            float* x = a.X + ((long)block * a.Width);
            new Span<float>(partial, a.Width).Clear();
            for (int column = 0; column < a.Width; column += ChunkColumns)
            {
                int columns = Math.Min(ChunkColumns, a.Width - column);
                int t = 0;
                for (; t + Group <= rows; t += Group)
                {
                    AddFour(x + ((long)t * a.Width) + column, a.Width, partial + column, columns);
                }

                for (; t < rows; t++)
                {
                    AddOne(x + ((long)t * a.Width) + column, partial + column, columns);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour(float* row, long stride, float* partial, int width)
    {
        float* row1 = row + stride, row2 = row1 + stride, row3 = row2 + stride, next = row3 + stride;
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            VectorMath.PrefetchOnce(next + i);
            VectorMath.PrefetchOnce(next + stride + i);
            VectorMath.PrefetchOnce(next + (2 * stride) + i);
            VectorMath.PrefetchOnce(next + (3 * stride) + i);
            Vector512<float> first = Vector512.Abs(Vector512.Load(row + i)) + Vector512.Abs(Vector512.Load(row1 + i));
            Vector512<float> second = Vector512.Abs(Vector512.Load(row2 + i)) + Vector512.Abs(Vector512.Load(row3 + i));
            (Vector512.Load(partial + i) + (first + second)).Store(partial + i);
        }

        for (; i < width; i++)
        {
            partial[i] += (MathF.Abs(row[i]) + MathF.Abs(row1[i])) + (MathF.Abs(row2[i]) + MathF.Abs(row3[i]));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddOne(float* row, float* partial, int width)
    {
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            (Vector512.Load(partial + i) + Vector512.Abs(Vector512.Load(row + i))).Store(partial + i);
        }

        for (; i < width; i++)
        {
            partial[i] += MathF.Abs(row[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Width, worker, workers, VectorMath.Lanes);
        int blocks = RowLaunch.Blocks(a.Tokens, RowLaunch.BlockTokens);
        double* sums = a.Sums;
        for (int block = 0; block < blocks; block++)
        {
            float* partial = a.Partials + ((long)block * a.Width);
            for (int i = start; i < end; i++)
            {
                sums[i] += partial[i];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormBody(void* context, int worker, int workers)
    {
        ref var a = ref *(NormArguments*)context;
        var (start, end) = WorkerPool.Share(a.Weight.Columns, worker, workers, VectorMath.Lanes);
        double* norms = a.Norms;
        for (int i = start; i < end; i++)
        {
            norms[i] = 0;
        }

        for (int r = 0; r < a.Weight.Rows; r++)
        {
            if (a.Weight.Type == DType.F32)
            {
                AddSquares(a.Weight.Floats + (r * a.Weight.Stride), norms, start, end);
            }
            else
            {
                AddSquares(a.Weight.Halves + (r * a.Weight.Stride), norms, start, end);
            }
        }

        for (int i = start; i < end; i++)
        {
            norms[i] = Math.Sqrt(norms[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquares(float* row, double* sums, int start, int end)
    {
        int i = start;
        for (; i <= end - 16; i += 16)
        {
            VectorMath.PrefetchOnce(row + i + VectorMath.FloatsAhead);
            Vector512<float> v = Vector512.Load(row + i);
            Vector512<double> low = Vector512.WidenLower(v), high = Vector512.WidenUpper(v);
            Vector512.MultiplyAddEstimate(low, low, Vector512.Load(sums + i)).Store(sums + i);
            Vector512.MultiplyAddEstimate(high, high, Vector512.Load(sums + i + 8)).Store(sums + i + 8);
        }

        for (; i < end; i++)
        {
            sums[i] += (double)row[i] * row[i];
        }
    }

    private static void AddSquares(ushort* row, double* sums, int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            double value = Bf16.Widen(row[i]);
            sums[i] += value * value;
        }
    }
}
