using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows are split over workers; a row's cosines and sines stay in the first-level cache for all its heads.</content>
public static unsafe partial class Rope
{
    private static void RotateWorker(void* context, int worker, int workers)
    {
        var call = (RotateCall*)context;
        var (start, end) = WorkerPool.Share(call->Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            long at = (long)call->Positions[t] * call->Half;
            float* head = call->Rows + (t * call->Stride);
            for (int h = 0; h < call->Heads; h++, head += 2 * call->Half)
            {
                RotateHead(head, call->Half, call->Cosines + at, call->Sines + at, call->Direction);
            }
        }
    }

    /// <summary>Vectors of 16, then 8, then single pairs: halves from 4 to 64 elements are all met in practice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void RotateHead(float* head, int half, float* cosines, float* sines, float direction)
    {
        int j = 0;
        for (; j + 16 <= half; j += 16)
        {
            var a = Vector512.Load(head + j);
            var b = Vector512.Load(head + half + j);
            var cosine = Vector512.Load(cosines + j);
            var sine = Vector512.Load(sines + j) * Vector512.Create(direction);
            Vector512.MultiplyAddEstimate(a, cosine, -(b * sine)).Store(head + j);
            Vector512.MultiplyAddEstimate(b, cosine, a * sine).Store(head + half + j);
        }

        for (; j + 8 <= half; j += 8)
        {
            var a = Vector256.Load(head + j);
            var b = Vector256.Load(head + half + j);
            var cosine = Vector256.Load(cosines + j);
            var sine = Vector256.Load(sines + j) * Vector256.Create(direction);
            Vector256.MultiplyAddEstimate(a, cosine, -(b * sine)).Store(head + j);
            Vector256.MultiplyAddEstimate(b, cosine, a * sine).Store(head + half + j);
        }

        for (; j < half; j++)
        {
            float a = head[j], b = head[half + j], sine = sines[j] * direction;
            head[j] = MathF.FusedMultiplyAdd(a, cosines[j], -(b * sine));
            head[half + j] = MathF.FusedMultiplyAdd(b, cosines[j], a * sine);
        }
    }
}
