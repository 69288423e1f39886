using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>
/// How a loop stores. Each way has a loop of its own instead of two tests at every vector: one to three hundredths of a copy's speed
/// in the backward, within the scatter of the machine in the forward of a sum.
/// </content>
public static unsafe partial class RmsNorm
{
    private interface IStore
    {
        static abstract void Store(Vector512<float> v, float* target);
    }

    private readonly struct ThroughCaches : IStore
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(Vector512<float> v, float* target) => v.Store(target);
    }

    private readonly struct PastCaches : IStore
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(Vector512<float> v, float* target) => v.StoreAlignedNonTemporal(target);
    }

    private readonly struct Added : IStore
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(Vector512<float> v, float* target)
        {
            VectorMath.Prefetch(target + FloatsAhead);
            (v + Vector512.Load(target)).Store(target);
        }
    }
}
