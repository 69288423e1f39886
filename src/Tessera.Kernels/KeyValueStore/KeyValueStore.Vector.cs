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
        var (start, end) = WorkerPool.Share(call->Tokens, worker, workers);
        int bytes = call->Type.Bytes();
        nint stride = (nint)(call->StoreStride * bytes);
        bool pastCaches = stride % 64 == 0 && call->Width % 32 == 0
            && VectorMath.WritesPastCaches((void*)call->KeyStore, call->Tokens * call->Width * bytes)
            && call->ValueStore % 64 == 0;
        long before = 0;
        for (int s = 0; s < call->SegmentCount && before < end; s++)
        {
            var segment = call->Segments[s];
            int past = segment.KeyCount - segment.QueryCount, last = (int)Math.Min(segment.QueryCount, end - before);
            for (int i = (int)Math.Max(0, start - before); i < last; i++)
            {
                long source = (segment.QueryStart + (long)i) * call->SourceStride;
                nint offset = (nint)segment.RowOf(past + i) * stride;
                CopyRow(call->Keys + source, call->Type, call->KeyStore + offset, call->Width, pastCaches);
                CopyRow(call->Values + source, call->Type, call->ValueStore + offset, call->Width, pastCaches);
            }

            before += segment.QueryCount;
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
