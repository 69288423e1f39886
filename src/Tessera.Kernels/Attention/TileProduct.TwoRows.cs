using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>Register kernels for two rows: decoding, and what is left over from blocks of six.</content>
internal unsafe partial struct TileProduct
{
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel2x4(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector512<float> c10 = default, c11 = default, c12 = default, c13 = default;
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
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel2x2(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default, c01 = default;
        Vector512<float> c10 = default, c11 = default;
        if (p->Accumulate)
        {
            float* c = p->C;
            c00 = Vector512.Load(c);
            c01 = Vector512.Load(c + 16);
            c += p->CStride;
            c10 = Vector512.Load(c);
            c11 = Vector512.Load(c + 16);
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
            b += bStep;
            k += aStep;
        }

        float* target = p->C;
        c00.Store(target);
        c01.Store(target + 16);
        target += p->CStride;
        c10.Store(target);
        c11.Store(target + 16);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Kernel2x1(TileProduct* p)
    {
        float* b = p->B;
        float* a0 = p->A;
        float* a1 = a0 + p->ARowStride;
        nint k = 0, aStep = p->ADepthStride, bStep = p->BStride;
        Vector512<float> c00 = default;
        Vector512<float> c10 = default;
        if (p->Accumulate)
        {
            float* c = p->C;
            c00 = Vector512.Load(c);
            c += p->CStride;
            c10 = Vector512.Load(c);
        }

        for (int d = p->Depth; d > 0; d--)
        {
            var b0 = Vector512.Load(b);
            var x0 = Vector512.Create(a0[k]);
            c00 = Vector512.FusedMultiplyAdd(x0, b0, c00);
            var x1 = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x1, b0, c10);
            b += bStep;
            k += aStep;
        }

        float* target = p->C;
        c00.Store(target);
        target += p->CStride;
        c10.Store(target);
    }
}
