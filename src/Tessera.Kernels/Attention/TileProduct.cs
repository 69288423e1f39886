using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <summary>
/// C[m, n] (+)= Σ_k A[m, k]·B[k, n] for the small products inside an attention tile: A is broadcast element by element
/// through two strides, so it may be read transposed; B and C have contiguous rows of whole 16-lane vectors.
/// </summary>
/// <remarks>
/// Every element of C is one chain of multiply-adds in the order of k, whichever kernel computes it, so a row's bits do not
/// depend on how many rows are multiplied together. With 512-bit vectors kernels cover 6 or 2 rows by 4, 2 or 1 of them: 6 x 4
/// keeps 24 accumulators, 4 vectors of B and one broadcast in registers.
/// </remarks>
internal unsafe partial struct TileProduct
{
    public float* A;
    public nint ARowStride;
    public nint ADepthStride;
    public float* B;
    public nint BStride;
    public float* C;
    public nint CStride;
    public int Depth;
    public bool Accumulate;

    /// <summary>
    /// Multiplies <paramref name="rows"/> rows by <paramref name="vectors"/> vectors of 16 columns. The pointers in
    /// <paramref name="p"/> are moved.
    /// </summary>
    public static void Multiply(TileProduct* p, int rows, int vectors)
    {
        if (!Vector512.IsHardwareAccelerated)
        {
            MultiplyNarrow(p, rows, 16 * vectors);
            return;
        }

        float* a = p->A;
        float* b = p->B;
        float* c = p->C;
        for (int v = 0; v < vectors;)
        {
            int left = vectors - v;
            int width = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            p->B = b + (16 * v);
            Column(p, a, c + (16 * v), rows, width);
            v += width;
        }
    }

    private static void Column(TileProduct* p, float* a, float* c, int rows, int width)
    {
        int r = 0;
        for (; r + 6 <= rows; r += 6)
        {
            p->A = a + (r * p->ARowStride);
            p->C = c + (r * p->CStride);
            switch (width)
            {
                case 4:
                    Kernel6x4(p);
                    break;
                case 2:
                    Kernel6x2(p);
                    break;
                default:
                    Kernel6x1(p);
                    break;
            }
        }

        for (; r + 2 <= rows; r += 2)
        {
            p->A = a + (r * p->ARowStride);
            p->C = c + (r * p->CStride);
            Pair(p, width);
        }

        if (r < rows)
        {
            // A last single row goes through the two-row kernel as both of its rows: same values, stored twice.
            nint aRowStride = p->ARowStride, cStride = p->CStride;
            p->A = a + (r * aRowStride);
            p->C = c + (r * cStride);
            p->ARowStride = p->CStride = 0;
            Pair(p, width);
            p->ARowStride = aRowStride;
            p->CStride = cStride;
        }
    }

    private static void Pair(TileProduct* p, int width)
    {
        switch (width)
        {
            case 4:
                Kernel2x4(p);
                break;
            case 2:
                Kernel2x2(p);
                break;
            default:
                Kernel2x1(p);
                break;
        }
    }
}
