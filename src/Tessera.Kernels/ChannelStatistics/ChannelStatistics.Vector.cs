using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    // Rows are added four at a time, which quarters the traffic to the partial row.
    private const int Group = 4;

    private static void AbsoluteBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, RowLaunch.BlockTokens);
        for (int t = start; t < end;)
        {
            float* partial = a.Partials + ((long)(t / RowLaunch.BlockTokens) * a.Width);
            if (t % RowLaunch.BlockTokens == 0)
            {
                new Span<float>(partial, a.Width).Clear();
            }

            float* row = a.X + ((long)t * a.Width);
            if (t + Group <= end)
            {
                AddFour(row, partial, a.Width);
                t += Group;
            }
            else
            {
                AddOne(row, partial, a.Width);
                t++;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour(float* row, float* partial, int width)
    {
        float* row1 = row + width, row2 = row1 + width, row3 = row2 + width;
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
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
            Vector512<float> v = Vector512.Load(row + i);
            Vector512<double> low = Vector512.WidenLower(v), high = Vector512.WidenUpper(v);
            Vector512.FusedMultiplyAdd(low, low, Vector512.Load(sums + i)).Store(sums + i);
            Vector512.FusedMultiplyAdd(high, high, Vector512.Load(sums + i + 8)).Store(sums + i + 8);
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
