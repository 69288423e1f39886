using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    // Rows are added eight at a time, which leaves an eighth of the traffic to the partial row.
    private const int Group = 8;

    // Columns of a block: while a vector of each of the eight rows is added, eight lines of one row are asked for, so that
    // eight vectors ask for a block of all rows.
    private const int BlockColumns = Group * VectorMath.Lanes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
                AddGroup(row, partial, a.Width);
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
    private static void AddGroup(float* row0, float* partial, int width)
    {
        float* row1 = row0 + width, row2 = row1 + width, row3 = row2 + width;
        float* row4 = row3 + width, row5 = row4 + width, row6 = row5 + width, row7 = row6 + width;
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> a = Vector512.Abs(Vector512.Load(row0 + i)) + Vector512.Abs(Vector512.Load(row1 + i));
            Vector512<float> b = Vector512.Abs(Vector512.Load(row2 + i)) + Vector512.Abs(Vector512.Load(row3 + i));
            Vector512<float> c = Vector512.Abs(Vector512.Load(row4 + i)) + Vector512.Abs(Vector512.Load(row5 + i));
            Vector512<float> d = Vector512.Abs(Vector512.Load(row6 + i)) + Vector512.Abs(Vector512.Load(row7 + i));
            (Vector512.Load(partial + i) + ((a + b) + (c + d))).Store(partial + i);
        }

        for (; i < width; i++)
        {
            float a = MathF.Abs(row0[i]) + MathF.Abs(row1[i]), b = MathF.Abs(row2[i]) + MathF.Abs(row3[i]);
            float c = MathF.Abs(row4[i]) + MathF.Abs(row5[i]), d = MathF.Abs(row6[i]) + MathF.Abs(row7[i]);
            partial[i] += (a + b) + (c + d);
        }
    }

    /// <summary>
    /// Asks for an eighth of the block two blocks ahead of element <paramref name="i"/> of eight rows: eight neighbouring lines of one of them. At
    /// the end of the rows the next eight follow. Neighbouring lines come faster than one line of each row; in rows of a power
    /// of two those lie in the same sets of the caches besides. Requests one block ahead come too late.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AskAhead(float* rows, long stride, int i, int width)
    {
        int column = i & -BlockColumns;
        long ahead = column + VectorMath.AheadInRow(column, 2 * BlockColumns, width, (Group * stride) - width);
        float* lines = rows + ((i / VectorMath.Lanes % Group) * stride) + ahead;
        VectorMath.Prefetch(lines);
        VectorMath.Prefetch(lines + 16);
        VectorMath.Prefetch(lines + 32);
        VectorMath.Prefetch(lines + 48);
        VectorMath.Prefetch(lines + 64);
        VectorMath.Prefetch(lines + 80);
        VectorMath.Prefetch(lines + 96);
        VectorMath.Prefetch(lines + 112);
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
            int i = start;
            for (; i <= end - VectorMath.Lanes; i += VectorMath.Lanes)
            {
                (Vector512.Load(sums + i) + Widen(partial + i)).Store(sums + i);
                (Vector512.Load(sums + i + 8) + Widen(partial + i + 8)).Store(sums + i + 8);
            }

            for (; i < end; i++)
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

        int r = 0;
        for (; r + Group <= a.Weight.Rows && a.Weight.Type == DType.F32; r += Group)
        {
            AddSquaresOfGroup(a.Weight.Floats + (r * a.Weight.Stride), a.Weight.Stride, norms, start, end);
        }

        for (; r < a.Weight.Rows; r++)
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

    // Row after row is added to a sum, as by AddSquares; eight at a time leave an eighth of the traffic to the sums.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquaresOfGroup(float* rows, long stride, double* sums, int start, int end)
    {
        int i = start;
        for (; i <= end - 16; i += 16)
        {
            float* row = rows + i;
            AskAhead(rows + start, stride, i - start, end - start);
            Vector512<double> low = Vector512.Load(sums + i), high = Vector512.Load(sums + i + 8);
            (low, high) = AddSquares(row, low, high);
            (low, high) = AddSquares(row + stride, low, high);
            (low, high) = AddSquares(row + (2 * stride), low, high);
            (low, high) = AddSquares(row + (3 * stride), low, high);
            (low, high) = AddSquares(row + (4 * stride), low, high);
            (low, high) = AddSquares(row + (5 * stride), low, high);
            (low, high) = AddSquares(row + (6 * stride), low, high);
            (low, high) = AddSquares(row + (7 * stride), low, high);
            low.Store(sums + i);
            high.Store(sums + i + 8);
        }

        for (; i < end; i++)
        {
            float* row = rows + i;
            for (int r = 0; r < Group; r++, row += stride)
            {
                sums[i] += (double)*row * *row;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<double> Low, Vector512<double> High) AddSquares(float* row, Vector512<double> low, Vector512<double> high)
    {
        Vector512<double> lower = Widen(row), upper = Widen(row + 8);
        return (Vector512.MultiplyAddEstimate(lower, lower, low), Vector512.MultiplyAddEstimate(upper, upper, high));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquares(float* row, double* sums, int start, int end)
    {
        int i = start;
        for (; i <= end - 16; i += 16)
        {
            VectorMath.PrefetchOnce(row + i + VectorMath.FloatsAhead);
            Vector512<double> low = Widen(row + i), high = Widen(row + i + 8);
            Vector512.MultiplyAddEstimate(low, low, Vector512.Load(sums + i)).Store(sums + i);
            Vector512.MultiplyAddEstimate(high, high, Vector512.Load(sums + i + 8)).Store(sums + i + 8);
        }

        for (; i < end; i++)
        {
            sums[i] += (double)row[i] * row[i];
        }
    }

    /// <summary>Eight floats as doubles, converted as they are loaded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Widen(float* source) => Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe());

    private static void AddSquares(ushort* row, double* sums, int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            double value = Bf16.Widen(row[i]);
            sums[i] += value * value;
        }
    }
}
