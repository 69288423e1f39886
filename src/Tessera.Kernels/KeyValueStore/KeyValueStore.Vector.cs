using System.Runtime.CompilerServices;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows are split over workers. A long prompt's rows go past the caches, which could not keep them until they are read.</content>
public static unsafe partial class KeyValueStore
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AppendWorker(void* context, int worker, int workers)
    {
        var call = (AppendCall*)context;
        var (start, end) = WorkerPool.Share(call->Count, worker, workers);
        int bytes = call->Type.Bytes();
        nint stride = (nint)(call->DestinationStride * bytes);
        bool pastCaches = stride % 64 == 0 && call->Width % 32 == 0
            && VectorMath.WritesPastCaches((void*)call->KeyDestination, (long)call->Count * call->Width * bytes)
            && call->ValueDestination % 64 == 0;
        for (int i = start; i < end; i++)
        {
            nint offset = i * stride;
            CopyRow(call->Keys + (i * call->SourceStride), call->Type, call->KeyDestination + offset, call->Width, pastCaches);
            CopyRow(call->Values + (i * call->SourceStride), call->Type, call->ValueDestination + offset, call->Width, pastCaches);
        }
    }

    private static void CopyRow(float* source, DType type, nint destination, int width, bool pastCaches)
    {
        if (type == DType.BF16)
        {
            Conversion.RoundRange(source, (ushort*)destination, width, pastCaches);
        }
        else
        {
            VectorMath.CopyRow(source, (float*)destination, width, source + VectorMath.FloatsAhead, pastCaches);
        }
    }
}
