using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows are split over workers; 32 elements are rounded and narrowed at a time.</content>
public static unsafe partial class KeyValueStore
{
    private static void AppendWorker(void* context, int worker, int workers)
    {
        var call = (AppendCall*)context;
        var (start, end) = WorkerPool.Share(call->Count, worker, workers);
        int bytes = call->Type.Bytes();
        for (int i = start; i < end; i++)
        {
            nint offset = (nint)(i * call->DestinationStride * bytes);
            CopyRow(call->Keys + (i * call->SourceStride), call->Type, call->KeyDestination + offset, call->Width);
            CopyRow(call->Values + (i * call->SourceStride), call->Type, call->ValueDestination + offset, call->Width);
        }
    }

    private static void CopyRow(float* source, DType type, nint destination, int width)
    {
        if (type == DType.F32)
        {
            Buffer.MemoryCopy(source, (void*)destination, (long)width * sizeof(float), (long)width * sizeof(float));
        }
        else
        {
            RoundRow(source, (ushort*)destination, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundRow(float* source, ushort* destination, int width)
    {
        int c = 0;
        for (; c + 32 <= width; c += 32)
        {
            Vector512.Narrow(RoundBits(Vector512.Load(source + c)), RoundBits(Vector512.Load(source + c + 16))).Store(destination + c);
        }

        for (; c < width; c++)
        {
            destination[c] = Bf16.Round(source[c]);
        }
    }

    /// <summary>The rounded upper halves, as <see cref="Bf16.Round"/> makes them, in the low half of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> RoundBits(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var top = bits >> 16;
        var rounded = (bits + Vector512.Create(0x7FFFu) + (top & Vector512<uint>.One)) >> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, top | Vector512.Create(0x0040u));
    }
}
