using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows of a table lie anywhere, so a row is asked for while the row before it is worked on.</content>
public static unsafe partial class RowGather
{
    /// <summary>
    /// Rows between the one that is worked on and the one whose pages are asked for: the address of a page must be found before a
    /// line of it can be asked for, and in a large table that alone takes as long as several rows.
    /// </summary>
    internal const int PagesAhead = 6;

    private const int PageBytes = 4096;

    // Rows between a pair and the pair whose lines are asked for.
    private const int PairsAhead = 4;

    /// <summary>output[i] = table[rows[i]] for i from <paramref name="start"/> to <paramref name="end"/>, on the calling thread.</summary>
    /// <param name="table">f32 or bf16.</param>
    /// <param name="rows">Row numbers, all within the table.</param>
    /// <param name="start">First row of the output.</param>
    /// <param name="end">Behind the last row of the output.</param>
    /// <param name="output">[end, table.Columns], assigned from row <paramref name="start"/> on.</param>
    /// <param name="pastCaches">Write past the caches; rows must be aligned.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CopyRows(in MatrixView table, int* rows, int start, int end, float* output, bool pastCaches)
    {
        int width = table.Columns, last = end - 1, i = start;
        if (table.Type == DType.BF16)
        {
            for (; i < end; i++)
            {
                AskForPages(table, rows[Math.Min(i + PagesAhead, last)]);
                ushort* next = table.Halves + (rows[Math.Min(i + 1, last)] * table.Stride);
                Conversion.WidenRange(
                    table.Halves + (rows[i] * table.Stride), output + ((long)i * width), width, next, pastCaches && width % 32 == 0);
            }

            return;
        }

        // Two at a time: what is asked for beyond the end of a row, by the processor itself, comes half as often.
        for (; i < last; i += 2)
        {
            AskForPages(table, rows[Math.Min(i + PagesAhead, last)]);
            AskForPages(table, rows[Math.Min(i + 1 + PagesAhead, last)]);
            CopyTwoRows(
                table.Floats + (rows[i] * table.Stride), table.Floats + (rows[i + 1] * table.Stride), output + ((long)i * width), width,
                table.Floats + (rows[Math.Min(i + PairsAhead, last)] * table.Stride),
                table.Floats + (rows[Math.Min(i + 1 + PairsAhead, last)] * table.Stride), pastCaches);
        }

        if (i < end)
        {
            float* row = table.Floats + (rows[i] * table.Stride);
            VectorMath.CopyRow(row, output + ((long)i * width), width, row, pastCaches);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyTwoRows(float* first, float* second, float* target, int width, float* nextFirst, float* nextSecond, bool pastCaches)
    {
        int i = 0;
        for (; i <= width - VectorMath.Lanes; i += VectorMath.Lanes)
        {
            VectorMath.PrefetchOnce(nextFirst + i);
            VectorMath.PrefetchOnce(nextSecond + i);
            Vector512<float> a = Vector512.Load(first + i), b = Vector512.Load(second + i);
            VectorMath.Store(a, target + i, pastCaches);
            VectorMath.Store(b, target + width + i, pastCaches);
        }

        for (; i < width; i++)
        {
            target[i] = first[i];
            target[width + i] = second[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AskForPages(in MatrixView table, int row) =>
        AskForPages((byte*)table.Address, row * table.Stride, table.Columns, table.Type.Bytes());

    /// <summary>Asks for one line of every page of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void AskForPages(byte* table, long element, int count, int elementBytes)
    {
        byte* row = table + (element * elementBytes);
        for (int i = 0; i < count * elementBytes; i += PageBytes)
        {
            VectorMath.Prefetch(row + i);
        }
    }
}
