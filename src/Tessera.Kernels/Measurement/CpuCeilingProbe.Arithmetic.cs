using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Kernels.Measurement;

/// <content>Multiply-adds on registers: enough independent chains to hide their latency, few enough to need no memory.</content>
internal sealed unsafe partial class CpuCeilingProbe
{
    private const int Steps = 400_000;

    private static double FlopsPerWorker =>
        Vector512.IsHardwareAccelerated ? Steps * 16.0 * 16 * 2
        : Vector256.IsHardwareAccelerated && Fma.IsSupported ? Steps * 12.0 * 8 * 2
        : Vector128.IsHardwareAccelerated ? Steps * 12.0 * 4 * 2
        : Steps * 8.0 * 2;

    private static void MultiplyAdd(void* context, int worker, int workers)
    {
        float sum = Vector512.IsHardwareAccelerated ? MultiplyAdd512()
            : Vector256.IsHardwareAccelerated && Fma.IsSupported ? MultiplyAdd256()
            : Vector128.IsHardwareAccelerated ? MultiplyAdd128()
            : MultiplyAddScalar();
        Consume(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd512()
    {
        // x <- x·0.75 + 0.5 converges to 2: neither denormals nor infinities, whatever the number of steps.
        var scale = Vector512.Create(0.75f);
        var shift = Vector512.Create(0.5f);
        var a0 = Vector512.Create(1f);
        Vector512<float> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        Vector512<float> b0 = shift, b1 = shift, b2 = shift, b3 = shift, b4 = shift, b5 = shift, b6 = shift, b7 = shift;
        for (int i = 0; i < Steps; i++)
        {
            a0 = Vector512.FusedMultiplyAdd(a0, scale, shift);
            a1 = Vector512.FusedMultiplyAdd(a1, scale, shift);
            a2 = Vector512.FusedMultiplyAdd(a2, scale, shift);
            a3 = Vector512.FusedMultiplyAdd(a3, scale, shift);
            a4 = Vector512.FusedMultiplyAdd(a4, scale, shift);
            a5 = Vector512.FusedMultiplyAdd(a5, scale, shift);
            a6 = Vector512.FusedMultiplyAdd(a6, scale, shift);
            a7 = Vector512.FusedMultiplyAdd(a7, scale, shift);
            b0 = Vector512.FusedMultiplyAdd(b0, scale, shift);
            b1 = Vector512.FusedMultiplyAdd(b1, scale, shift);
            b2 = Vector512.FusedMultiplyAdd(b2, scale, shift);
            b3 = Vector512.FusedMultiplyAdd(b3, scale, shift);
            b4 = Vector512.FusedMultiplyAdd(b4, scale, shift);
            b5 = Vector512.FusedMultiplyAdd(b5, scale, shift);
            b6 = Vector512.FusedMultiplyAdd(b6, scale, shift);
            b7 = Vector512.FusedMultiplyAdd(b7, scale, shift);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + b0 + b1 + b2 + b3 + b4 + b5 + b6 + b7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd256()
    {
        var scale = Vector256.Create(0.75f);
        var shift = Vector256.Create(0.5f);
        var a0 = Vector256.Create(1f);
        Vector256<float> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, b0 = shift, b1 = shift, b2 = shift, b3 = shift, b4 = shift, b5 = shift;
        for (int i = 0; i < Steps; i++)
        {
            a0 = Vector256.FusedMultiplyAdd(a0, scale, shift);
            a1 = Vector256.FusedMultiplyAdd(a1, scale, shift);
            a2 = Vector256.FusedMultiplyAdd(a2, scale, shift);
            a3 = Vector256.FusedMultiplyAdd(a3, scale, shift);
            a4 = Vector256.FusedMultiplyAdd(a4, scale, shift);
            a5 = Vector256.FusedMultiplyAdd(a5, scale, shift);
            b0 = Vector256.FusedMultiplyAdd(b0, scale, shift);
            b1 = Vector256.FusedMultiplyAdd(b1, scale, shift);
            b2 = Vector256.FusedMultiplyAdd(b2, scale, shift);
            b3 = Vector256.FusedMultiplyAdd(b3, scale, shift);
            b4 = Vector256.FusedMultiplyAdd(b4, scale, shift);
            b5 = Vector256.FusedMultiplyAdd(b5, scale, shift);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd128()
    {
        var scale = Vector128.Create(0.75f);
        var shift = Vector128.Create(0.5f);
        var a0 = Vector128.Create(1f);
        Vector128<float> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, b0 = shift, b1 = shift, b2 = shift, b3 = shift, b4 = shift, b5 = shift;
        for (int i = 0; i < Steps; i++)
        {
            a0 = Vector128.MultiplyAddEstimate(a0, scale, shift);
            a1 = Vector128.MultiplyAddEstimate(a1, scale, shift);
            a2 = Vector128.MultiplyAddEstimate(a2, scale, shift);
            a3 = Vector128.MultiplyAddEstimate(a3, scale, shift);
            a4 = Vector128.MultiplyAddEstimate(a4, scale, shift);
            a5 = Vector128.MultiplyAddEstimate(a5, scale, shift);
            b0 = Vector128.MultiplyAddEstimate(b0, scale, shift);
            b1 = Vector128.MultiplyAddEstimate(b1, scale, shift);
            b2 = Vector128.MultiplyAddEstimate(b2, scale, shift);
            b3 = Vector128.MultiplyAddEstimate(b3, scale, shift);
            b4 = Vector128.MultiplyAddEstimate(b4, scale, shift);
            b5 = Vector128.MultiplyAddEstimate(b5, scale, shift);
        }

        return Vector128.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAddScalar()
    {
        float a = 1, b = 1.1f, c = 1.2f, d = 1.3f, e = 1.4f, f = 1.5f, g = 1.6f, h = 1.7f;
        for (int i = 0; i < Steps; i++)
        {
            a = (a * 0.75f) + 0.5f;
            b = (b * 0.75f) + 0.5f;
            c = (c * 0.75f) + 0.5f;
            d = (d * 0.75f) + 0.5f;
            e = (e * 0.75f) + 0.5f;
            f = (f * 0.75f) + 0.5f;
            g = (g * 0.75f) + 0.5f;
            h = (h * 0.75f) + 0.5f;
        }

        return a + b + c + d + e + f + g + h;
    }
}
