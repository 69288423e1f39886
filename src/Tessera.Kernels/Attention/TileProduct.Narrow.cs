using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels;

/// <content>
/// The same products for 16 registers of eight or four lanes, and without vectors. Six rows by two vectors keep 12 accumulators,
/// two vectors of B and a broadcast in registers. Where a machine cannot multiply and add at once, it rounds in between.
/// </content>
internal unsafe partial struct TileProduct
{
    private static void MultiplyNarrow(TileProduct* p, int rows, int columns)
    {
        int width = HasFused256 ? 16 : Vector128.IsHardwareAccelerated ? 8 : 1;
        for (int column = 0; column < columns; column += width)
        {
            float* a = p->A;
            float* b = p->B + column;
            float* c = p->C + column;
            int left = rows;
            for (; left >= 6 && width > 1; left -= 6, a += 6 * p->ARowStride, c += 6 * p->CStride)
            {
                if (width == 16)
                {
                    Kernel6x16(a, p->ARowStride, p->ADepthStride, b, p->BStride, c, p->CStride, p->Depth, p->Accumulate);
                }
                else
                {
                    Kernel6x8(a, p->ARowStride, p->ADepthStride, b, p->BStride, c, p->CStride, p->Depth, p->Accumulate);
                }
            }

            for (; left > 0; left--, a += p->ARowStride, c += p->CStride)
            {
                switch (width)
                {
                    case 16:
                        Kernel1x16(a, p->ADepthStride, b, p->BStride, c, p->Depth, p->Accumulate);
                        break;
                    case 8:
                        Kernel1x8(a, p->ADepthStride, b, p->BStride, c, p->Depth, p->Accumulate);
                        break;
                    default:
                        Kernel1x1(a, p->ADepthStride, b, p->BStride, c, p->Depth, p->Accumulate);
                        break;
                }
            }
        }
    }

    private static bool HasFused256 => Vector256.IsHardwareAccelerated && Fma.IsSupported;

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel6x16(float* a, nint aRowStride, nint aStep, float* b, nint bStride, float* c, nint cStride, int depth, bool accumulate)
    {
        float* a1 = a + aRowStride;
        float* a2 = a1 + aRowStride;
        float* a3 = a2 + aRowStride;
        float* a4 = a3 + aRowStride;
        float* a5 = a4 + aRowStride;
        Vector256<float> c00 = default, c01 = default;
        Vector256<float> c10 = default, c11 = default;
        Vector256<float> c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default;
        Vector256<float> c40 = default, c41 = default;
        Vector256<float> c50 = default, c51 = default;
        if (accumulate)
        {
            float* from = c;
            c00 = Vector256.Load(from);
            c01 = Vector256.Load(from + 8);
            from += cStride;
            c10 = Vector256.Load(from);
            c11 = Vector256.Load(from + 8);
            from += cStride;
            c20 = Vector256.Load(from);
            c21 = Vector256.Load(from + 8);
            from += cStride;
            c30 = Vector256.Load(from);
            c31 = Vector256.Load(from + 8);
            from += cStride;
            c40 = Vector256.Load(from);
            c41 = Vector256.Load(from + 8);
            from += cStride;
            c50 = Vector256.Load(from);
            c51 = Vector256.Load(from + 8);
        }

        nint k = 0;
        for (int d = depth; d > 0; d--)
        {
            var b0 = Vector256.Load(b);
            var b1 = Vector256.Load(b + 8);
            var x = Vector256.Create(a[k]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a1[k]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a2[k]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(a3[k]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            x = Vector256.Create(a4[k]);
            c40 = Vector256.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
            x = Vector256.Create(a5[k]);
            c50 = Vector256.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
            b += bStride;
            k += aStep;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c += cStride;
        c10.Store(c);
        c11.Store(c + 8);
        c += cStride;
        c20.Store(c);
        c21.Store(c + 8);
        c += cStride;
        c30.Store(c);
        c31.Store(c + 8);
        c += cStride;
        c40.Store(c);
        c41.Store(c + 8);
        c += cStride;
        c50.Store(c);
        c51.Store(c + 8);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel1x16(float* a, nint aStep, float* b, nint bStride, float* c, int depth, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default;
        if (accumulate)
        {
            float* from = c;
            c00 = Vector256.Load(from);
            c01 = Vector256.Load(from + 8);
        }

        nint k = 0;
        for (int d = depth; d > 0; d--)
        {
            var b0 = Vector256.Load(b);
            var b1 = Vector256.Load(b + 8);
            var x = Vector256.Create(a[k]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            b += bStride;
            k += aStep;
        }

        c00.Store(c);
        c01.Store(c + 8);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel6x8(float* a, nint aRowStride, nint aStep, float* b, nint bStride, float* c, nint cStride, int depth, bool accumulate)
    {
        float* a1 = a + aRowStride;
        float* a2 = a1 + aRowStride;
        float* a3 = a2 + aRowStride;
        float* a4 = a3 + aRowStride;
        float* a5 = a4 + aRowStride;
        Vector128<float> c00 = default, c01 = default;
        Vector128<float> c10 = default, c11 = default;
        Vector128<float> c20 = default, c21 = default;
        Vector128<float> c30 = default, c31 = default;
        Vector128<float> c40 = default, c41 = default;
        Vector128<float> c50 = default, c51 = default;
        if (accumulate)
        {
            float* from = c;
            c00 = Vector128.Load(from);
            c01 = Vector128.Load(from + 4);
            from += cStride;
            c10 = Vector128.Load(from);
            c11 = Vector128.Load(from + 4);
            from += cStride;
            c20 = Vector128.Load(from);
            c21 = Vector128.Load(from + 4);
            from += cStride;
            c30 = Vector128.Load(from);
            c31 = Vector128.Load(from + 4);
            from += cStride;
            c40 = Vector128.Load(from);
            c41 = Vector128.Load(from + 4);
            from += cStride;
            c50 = Vector128.Load(from);
            c51 = Vector128.Load(from + 4);
        }

        nint k = 0;
        for (int d = depth; d > 0; d--)
        {
            var b0 = Vector128.Load(b);
            var b1 = Vector128.Load(b + 4);
            var x = Vector128.Create(a[k]);
            c00 = Vector128.MultiplyAddEstimate(x, b0, c00);
            c01 = Vector128.MultiplyAddEstimate(x, b1, c01);
            x = Vector128.Create(a1[k]);
            c10 = Vector128.MultiplyAddEstimate(x, b0, c10);
            c11 = Vector128.MultiplyAddEstimate(x, b1, c11);
            x = Vector128.Create(a2[k]);
            c20 = Vector128.MultiplyAddEstimate(x, b0, c20);
            c21 = Vector128.MultiplyAddEstimate(x, b1, c21);
            x = Vector128.Create(a3[k]);
            c30 = Vector128.MultiplyAddEstimate(x, b0, c30);
            c31 = Vector128.MultiplyAddEstimate(x, b1, c31);
            x = Vector128.Create(a4[k]);
            c40 = Vector128.MultiplyAddEstimate(x, b0, c40);
            c41 = Vector128.MultiplyAddEstimate(x, b1, c41);
            x = Vector128.Create(a5[k]);
            c50 = Vector128.MultiplyAddEstimate(x, b0, c50);
            c51 = Vector128.MultiplyAddEstimate(x, b1, c51);
            b += bStride;
            k += aStep;
        }

        c00.Store(c);
        c01.Store(c + 4);
        c += cStride;
        c10.Store(c);
        c11.Store(c + 4);
        c += cStride;
        c20.Store(c);
        c21.Store(c + 4);
        c += cStride;
        c30.Store(c);
        c31.Store(c + 4);
        c += cStride;
        c40.Store(c);
        c41.Store(c + 4);
        c += cStride;
        c50.Store(c);
        c51.Store(c + 4);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel1x8(float* a, nint aStep, float* b, nint bStride, float* c, int depth, bool accumulate)
    {
        Vector128<float> c00 = default, c01 = default;
        if (accumulate)
        {
            float* from = c;
            c00 = Vector128.Load(from);
            c01 = Vector128.Load(from + 4);
        }

        nint k = 0;
        for (int d = depth; d > 0; d--)
        {
            var b0 = Vector128.Load(b);
            var b1 = Vector128.Load(b + 4);
            var x = Vector128.Create(a[k]);
            c00 = Vector128.MultiplyAddEstimate(x, b0, c00);
            c01 = Vector128.MultiplyAddEstimate(x, b1, c01);
            b += bStride;
            k += aStep;
        }

        c00.Store(c);
        c01.Store(c + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Kernel1x1(float* a, nint aStep, float* b, nint bStride, float* c, int depth, bool accumulate)
    {
        double sum = accumulate ? *c : 0;
        for (int d = depth; d > 0; d--, a += aStep, b += bStride)
        {
            sum += (double)*a * *b;
        }

        *c = (float)sum;
    }
}
