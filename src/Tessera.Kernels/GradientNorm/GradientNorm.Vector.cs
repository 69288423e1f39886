using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Blocks, worker, workers);
        for (int block = start; block < end; block++)
        {
            long first = (long)block * RowLaunch.BlockElements;
            a.Partials[block] = Block(a.X + first, (int)Math.Min(RowLaunch.BlockElements, a.Count - first));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Block(float* x, int count)
    {
        Vector512<double> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            Vector512<float> a = Vector512.Load(x + i), b = Vector512.Load(x + i + 16);
            Vector512<double> a0 = Vector512.WidenLower(a), a1 = Vector512.WidenUpper(a);
            Vector512<double> b0 = Vector512.WidenLower(b), b1 = Vector512.WidenUpper(b);
            s0 = Vector512.MultiplyAddEstimate(a0, a0, s0);
            s1 = Vector512.MultiplyAddEstimate(a1, a1, s1);
            s2 = Vector512.MultiplyAddEstimate(b0, b0, s2);
            s3 = Vector512.MultiplyAddEstimate(b1, b1, s3);
        }

        double sum = VectorMath.Sum((s0 + s1) + (s2 + s3));
        for (; i < count; i++)
        {
            sum += (double)x[i] * x[i];
        }

        return sum;
    }
}
