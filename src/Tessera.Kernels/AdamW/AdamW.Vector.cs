using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class AdamW
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Body(void* context, int worker, int workers)
    {
        Arguments a = *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers, VectorMath.Lanes);
        long i = start;
        for (; i <= end - 16; i += 16)
        {
            Vector512<float> p = Vector512.Load(a.Parameter + i);
            Vector512<float> m = Vector512.Load(a.First + i);
            Vector512<float> v = Vector512.Load(a.Second + i);
            Update(a, ref p, Vector512.Load(a.Gradient + i), ref m, ref v);
            p.Store(a.Parameter + i);
            m.Store(a.First + i);
            v.Store(a.Second + i);
        }

        if (i < end)
        {
            int rest = (int)(end - i);
            Vector512<float> p = VectorMath.LoadPart(a.Parameter + i, rest);
            Vector512<float> m = VectorMath.LoadPart(a.First + i, rest);
            Vector512<float> v = VectorMath.LoadPart(a.Second + i, rest);
            Update(a, ref p, VectorMath.LoadPart(a.Gradient + i, rest), ref m, ref v);
            VectorMath.StorePart(p, a.Parameter + i, rest);
            VectorMath.StorePart(m, a.First + i, rest);
            VectorMath.StorePart(v, a.Second + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(
        in Arguments a, ref Vector512<float> p, Vector512<float> gradient, ref Vector512<float> m, ref Vector512<float> v)
    {
        Vector512<float> g = gradient * Vector512.Create(a.GradientScale);
        m = Vector512.MultiplyAddEstimate(g - m, Vector512.Create(a.OneMinusBeta1), m);
        v = Vector512.MultiplyAddEstimate(g * g, Vector512.Create(a.OneMinusBeta2), v * Vector512.Create(a.Beta2));
        Vector512<float> root = Vector512.MultiplyAddEstimate(
            Vector512.Sqrt(v), Vector512.Create(a.RootScale), Vector512.Create(a.Epsilon));

        // Decay and step are joined before the one rounding that hurts: the one at the size of the parameter.
        Vector512<float> change = Vector512.MultiplyAddEstimate(
            p, Vector512.Create(a.Decay), Vector512.Create(a.StepSize) * m / root);
        p -= change;
    }
}
