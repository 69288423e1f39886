using System.Runtime.CompilerServices;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows of a table lie anywhere, so a row is asked for while the row before it is worked on.</content>
public static unsafe partial class RowGather
{
    /// <summary>Rows between the one that is worked on and the one whose lines are asked for.</summary>
    internal const int RowsAhead = 2;

    /// <summary>
    /// Rows between the one that is worked on and the one whose pages are asked for: the address of a page must be found before a
    /// line of it can be asked for, and in a large table that alone takes as long as several rows.
    /// </summary>
    internal const int PagesAhead = 6;

    private const int PageBytes = 4096;

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
        int width = table.Columns;
        for (int i = start; i < end; i++)
        {
            long row = rows[i] * table.Stride, next = rows[Math.Min(i + RowsAhead, end - 1)] * table.Stride;
            float* target = output + ((long)i * width);
            AskForPages((byte*)table.Address, rows[Math.Min(i + PagesAhead, end - 1)] * table.Stride, width, table.Type.Bytes());
            if (table.Type == DType.F32)
            {
                VectorMath.CopyRow(table.Floats + row, target, width, table.Floats + next, pastCaches);
            }
            else
            {
                Conversion.WidenRange(table.Halves + row, target, width, table.Halves + next, pastCaches && width % 32 == 0);
            }
        }
    }

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
