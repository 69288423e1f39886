using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>Register kernels for six rows, written out because accumulators stay in registers only as named locals.</content>
internal unsafe partial struct TileProduct
{
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel6x4(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        float* a2 = a1 + p->ARowStride;
        float* a3 = a2 + p->ARowStride;
        float* a4 = a3 + p->ARowStride;
        float* a5 = a4 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector512<float> c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c23 = default;
        Vector512<float> c30 = default, c31 = default, c32 = default, c33 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default, c43 = default;
        Vector512<float> c50 = default, c51 = default, c52 = default, c53 = default;
        if (p->Accumulate)
        {
            float* c = p->C;
            c00 = Vector512.Load(c);
            c01 = Vector512.Load(c + 16);
            c02 = Vector512.Load(c + 32);
            c03 = Vector512.Load(c + 48);
            c += p->CStride;
            c10 = Vector512.Load(c);
            c11 = Vector512.Load(c + 16);
            c12 = Vector512.Load(c + 32);
            c13 = Vector512.Load(c + 48);
            c += p->CStride;
            c20 = Vector512.Load(c);
            c21 = Vector512.Load(c + 16);
            c22 = Vector512.Load(c + 32);
            c23 = Vector512.Load(c + 48);
            c += p->CStride;
            c30 = Vector512.Load(c);
            c31 = Vector512.Load(c + 16);
            c32 = Vector512.Load(c + 32);
            c33 = Vector512.Load(c + 48);
            c += p->CStride;
            c40 = Vector512.Load(c);
            c41 = Vector512.Load(c + 16);
            c42 = Vector512.Load(c + 32);
            c43 = Vector512.Load(c + 48);
            c += p->CStride;
            c50 = Vector512.Load(c);
            c51 = Vector512.Load(c + 16);
            c52 = Vector512.Load(c + 32);
            c53 = Vector512.Load(c + 48);
        }

        for (int d = p->Depth; d > 0; d--)
        {
            var b0 = Vector512.Load(b);
            var b1 = Vector512.Load(b + 16);
            var b2 = Vector512.Load(b + 32);
            var b3 = Vector512.Load(b + 48);
            var x0 = Vector512.Create(a0[k]);
            c00 = Vector512.FusedMultiplyAdd(x0, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x0, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x0, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x0, b3, c03);
            var x1 = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x1, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x1, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x1, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x1, b3, c13);
            var x2 = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x2, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x2, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x2, b2, c22);
            c23 = Vector512.FusedMultiplyAdd(x2, b3, c23);
            var x3 = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x3, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x3, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x3, b2, c32);
            c33 = Vector512.FusedMultiplyAdd(x3, b3, c33);
            var x4 = Vector512.Create(a4[k]);
            c40 = Vector512.FusedMultiplyAdd(x4, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x4, b1, c41);
            c42 = Vector512.FusedMultiplyAdd(x4, b2, c42);
            c43 = Vector512.FusedMultiplyAdd(x4, b3, c43);
            var x5 = Vector512.Create(a5[k]);
            c50 = Vector512.FusedMultiplyAdd(x5, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x5, b1, c51);
            c52 = Vector512.FusedMultiplyAdd(x5, b2, c52);
            c53 = Vector512.FusedMultiplyAdd(x5, b3, c53);
            b += bStep;
            k += aStep;
        }

        float* target = p->C;
        c00.Store(target);
        c01.Store(target + 16);
        c02.Store(target + 32);
        c03.Store(target + 48);
        target += p->CStride;
        c10.Store(target);
        c11.Store(target + 16);
        c12.Store(target + 32);
        c13.Store(target + 48);
        target += p->CStride;
        c20.Store(target);
        c21.Store(target + 16);
        c22.Store(target + 32);
        c23.Store(target + 48);
        target += p->CStride;
        c30.Store(target);
        c31.Store(target + 16);
        c32.Store(target + 32);
        c33.Store(target + 48);
        target += p->CStride;
        c40.Store(target);
        c41.Store(target + 16);
        c42.Store(target + 32);
        c43.Store(target + 48);
        target += p->CStride;
        c50.Store(target);
        c51.Store(target + 16);
        c52.Store(target + 32);
        c53.Store(target + 48);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel6x2(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        float* a2 = a1 + p->ARowStride;
        float* a3 = a2 + p->ARowStride;
        float* a4 = a3 + p->ARowStride;
        float* a5 = a4 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default, c01 = default;
        Vector512<float> c10 = default, c11 = default;
        Vector512<float> c20 = default, c21 = default;
        Vector512<float> c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default;
        Vector512<float> c50 = default, c51 = default;
        if (p->Accumulate)
        {
            float* c = p->C;
            c00 = Vector512.Load(c);
            c01 = Vector512.Load(c + 16);
            c += p->CStride;
            c10 = Vector512.Load(c);
            c11 = Vector512.Load(c + 16);
            c += p->CStride;
            c20 = Vector512.Load(c);
            c21 = Vector512.Load(c + 16);
            c += p->CStride;
            c30 = Vector512.Load(c);
            c31 = Vector512.Load(c + 16);
            c += p->CStride;
            c40 = Vector512.Load(c);
            c41 = Vector512.Load(c + 16);
            c += p->CStride;
            c50 = Vector512.Load(c);
            c51 = Vector512.Load(c + 16);
        }

        for (int d = p->Depth; d > 0; d--)
        {
            var b0 = Vector512.Load(b);
            var b1 = Vector512.Load(b + 16);
            var x0 = Vector512.Create(a0[k]);
            c00 = Vector512.FusedMultiplyAdd(x0, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x0, b1, c01);
            var x1 = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x1, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x1, b1, c11);
            var x2 = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x2, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x2, b1, c21);
            var x3 = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x3, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x3, b1, c31);
            var x4 = Vector512.Create(a4[k]);
            c40 = Vector512.FusedMultiplyAdd(x4, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x4, b1, c41);
            var x5 = Vector512.Create(a5[k]);
            c50 = Vector512.FusedMultiplyAdd(x5, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x5, b1, c51);
            b += bStep;
            k += aStep;
        }

        float* target = p->C;
        c00.Store(target);
        c01.Store(target + 16);
        target += p->CStride;
        c10.Store(target);
        c11.Store(target + 16);
        target += p->CStride;
        c20.Store(target);
        c21.Store(target + 16);
        target += p->CStride;
        c30.Store(target);
        c31.Store(target + 16);
        target += p->CStride;
        c40.Store(target);
        c41.Store(target + 16);
        target += p->CStride;
        c50.Store(target);
        c51.Store(target + 16);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel6x1(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        float* a2 = a1 + p->ARowStride;
        float* a3 = a2 + p->ARowStride;
        float* a4 = a3 + p->ARowStride;
        float* a5 = a4 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default;
        Vector512<float> c10 = default;
        Vector512<float> c20 = default;
        Vector512<float> c30 = default;
        Vector512<float> c40 = default;
        Vector512<float> c50 = default;
        if (p->Accumulate)
        {
            float* c = p->C;
            c00 = Vector512.Load(c);
            c += p->CStride;
            c10 = Vector512.Load(c);
            c += p->CStride;
            c20 = Vector512.Load(c);
            c += p->CStride;
            c30 = Vector512.Load(c);
            c += p->CStride;
            c40 = Vector512.Load(c);
            c += p->CStride;
            c50 = Vector512.Load(c);
        }

        for (int d = p->Depth; d > 0; d--)
        {
            var b0 = Vector512.Load(b);
            var x0 = Vector512.Create(a0[k]);
            c00 = Vector512.FusedMultiplyAdd(x0, b0, c00);
            var x1 = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x1, b0, c10);
            var x2 = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x2, b0, c20);
            var x3 = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x3, b0, c30);
            var x4 = Vector512.Create(a4[k]);
            c40 = Vector512.FusedMultiplyAdd(x4, b0, c40);
            var x5 = Vector512.Create(a5[k]);
            c50 = Vector512.FusedMultiplyAdd(x5, b0, c50);
            b += bStep;
            k += aStep;
        }

        float* target = p->C;
        c00.Store(target);
        target += p->CStride;
        c10.Store(target);
        target += p->CStride;
        c20.Store(target);
        target += p->CStride;
        c30.Store(target);
        target += p->CStride;
        c40.Store(target);
        target += p->CStride;
        c50.Store(target);
    }
}
