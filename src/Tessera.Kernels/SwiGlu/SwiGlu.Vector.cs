using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        bool pastCaches = VectorMath.WritesPastCaches(a.H, a.Tokens, a.Width);
        for (int t = start; t < end; t++)
        {
            float* gate = a.GateUp + (2L * t * a.Width);
            ForwardRow(gate, gate + a.Width, a.H + ((long)t * a.Width), a.Width, pastCaches);
        }
    }

    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        bool pastCaches = a.GradGateUp != a.GateUp && VectorMath.WritesPastCaches(a.GradGateUp, 2L * a.Tokens, a.Width);
        for (int t = start; t < end; t++)
        {
            long offset = 2L * t * a.Width;
            BackwardRow(a.GateUp + offset, a.H + ((long)t * a.Width), a.GradGateUp + offset, a.Width, pastCaches);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardRow(float* gate, float* up, float* h, int width, bool pastCaches)
    {
        int i = 0;
        for (; i <= width - 32; i += 32)
        {
            long ahead = i + VectorMath.AheadInRow(i, VectorMath.FloatsAhead, width, width);
            VectorMath.PrefetchOnce(gate + ahead);
            VectorMath.PrefetchOnce(gate + ahead + 16);
            VectorMath.PrefetchOnce(up + ahead);
            VectorMath.PrefetchOnce(up + ahead + 16);
            Vector512<float> low = Silu(Vector512.Load(gate + i)), high = Silu(Vector512.Load(gate + i + 16));
            VectorMath.Store(low * Vector512.Load(up + i), h + i, pastCaches);
            VectorMath.Store(high * Vector512.Load(up + i + 16), h + i + 16, pastCaches);
        }

        for (; i <= width - 16; i += 16)
        {
            VectorMath.Store(Silu(Vector512.Load(gate + i)) * Vector512.Load(up + i), h + i, pastCaches);
        }

        if (i < width)
        {
            int rest = width - i;
            Vector512<float> v = Silu(VectorMath.LoadPart(gate + i, rest)) * VectorMath.LoadPart(up + i, rest);
            VectorMath.StorePart(v, h + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardRow(float* gateUp, float* gradH, float* gradGateUp, int width, bool pastCaches)
    {
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            long ahead = i + VectorMath.AheadInRow(i, VectorMath.FloatsAhead, width, width);
            VectorMath.PrefetchOnce(gateUp + ahead);
            VectorMath.PrefetchOnce(gateUp + width + ahead);
            VectorMath.PrefetchOnce(gradH + i + VectorMath.FloatsAhead);
            var (dGate, dUp) = Gradients(Vector512.Load(gateUp + i), Vector512.Load(gateUp + width + i), Vector512.Load(gradH + i));
            VectorMath.Store(dGate, gradGateUp + i, pastCaches);
            VectorMath.Store(dUp, gradGateUp + width + i, pastCaches);
        }

        if (i < width)
        {
            int rest = width - i;
            var (dGate, dUp) = Gradients(
                VectorMath.LoadPart(gateUp + i, rest), VectorMath.LoadPart(gateUp + width + i, rest), VectorMath.LoadPart(gradH + i, rest));
            VectorMath.StorePart(dGate, gradGateUp + i, rest);
            VectorMath.StorePart(dUp, gradGateUp + width + i, rest);
        }
    }

    // One division: for very negative gates e^−g overflows to infinity and the quotient goes to −0, as it should.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Silu(Vector512<float> gate) =>
        gate / (Vector512<float>.One + VectorMath.Exp(-gate));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Gate, Vector512<float> Up) Gradients(
        Vector512<float> gate, Vector512<float> up, Vector512<float> gradH)
    {
        Vector512<float> sigmoid = Vector512<float>.One / (Vector512<float>.One + VectorMath.Exp(-gate));
        Vector512<float> slope = Vector512.MultiplyAddEstimate(gate, Vector512<float>.One - sigmoid, Vector512<float>.One);
        return (gradH * up * sigmoid * slope, gradH * gate * sigmoid);
    }
}
