using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>
/// How a loop stores. Each way has a loop of its own: a choice at every vector took a tenth of the instructions, and memory is asked
/// for only as far ahead as the processor's window of instructions reaches.
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
