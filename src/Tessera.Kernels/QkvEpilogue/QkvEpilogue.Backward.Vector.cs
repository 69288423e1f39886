using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The backward. Up to sixteen heads of a token go through two steps together: all are rotated back and projected on their inputs,
/// then their gradients are written. The first step asks for the next token's gradients, the second for its inputs: rows that are
/// worked on twice and in place otherwise left the memory idle for half of the time.
/// </content>
public static unsafe partial class QkvEpilogue
{
    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(EpilogueCall*)context;
        int headDim = a.Shape.HeadDim, half = headDim / 2, rotated = a.Shape.Heads + a.Shape.KvHeads;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, a.Partials is null ? 1 : RowLaunch.BlockTokens);
        for (int t = start; t < end; t++)
        {
            float* partial = a.Partials is null ? null : a.Partials + (2L * (t / RowLaunch.BlockTokens) * headDim);
            if (partial is not null && t % RowLaunch.BlockTokens == 0)
            {
                new Span<float>(partial, 2 * headDim).Clear();
            }

            long angle = (long)a.Positions[t] * half;
            float* gradient = a.Rows + ((long)t * a.Shape.PackedWidth);
            if (a.Weights.QueryGain is null)
            {
                for (int h = 0; h < rotated; h++)
                {
                    Rope.RotateHead(gradient + ((long)h * headDim), half, a.Cosines + angle, a.Sines + angle, -1f);
                }

                continue;
            }

            for (int h = 0; h < rotated;)
            {
                bool isQuery = h < a.Shape.Heads;
                long head = ((long)t * rotated) + h;
                var group = new HeadRun
                {
                    Rows = gradient + ((long)h * headDim),
                    Saved = a.NormInput + (head * headDim),
                    Gain = isQuery ? a.Weights.QueryGain : a.Weights.KeyGain,
                    GradGain = partial is null || isQuery ? partial : partial + headDim,
                    Cosines = a.Cosines + angle,
                    Sines = a.Sines + angle,
                    Count = Math.Min(HeadGroup, (isQuery ? a.Shape.Heads : rotated) - h),
                    HeadDim = headDim,
                    Ahead = a.Shape.PackedWidth,
                    SavedAhead = (long)rotated * headDim,
                };
                BackwardGroup(&group, a.InverseRms + head);
                h += group.Count;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardGroup(HeadRun* group, float* inverseRms)
    {
        int headDim = group->HeadDim, count = group->Count;
        float* shifts = stackalloc float[HeadGroup];
        for (int h = 0; h < count; h++)
        {
            long offset = (long)h * headDim;
            float product = RotateBackAndProject(
                group->Rows + offset, group->Gain, group->Saved + offset, group->Cosines, group->Sines, headDim / 2, group->Ahead);
            shifts[h] = -(product * inverseRms[h] / headDim);
        }

        NormaliseBackward(group, inverseRms, shifts);
    }

    /// <summary>Rotates a gradient back in place.</summary>
    /// <returns>Σ gradient·gain·x.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float RotateBackAndProject(
        float* gradient, float* gain, float* x, float* cosines, float* sines, int half, long ahead)
    {
        float sum = 0;
        if (half % 16 == 0)
        {
            Vector512<float> s0 = default, s1 = default;
            for (int j = 0; j < half; j += 16)
            {
                VectorMath.Prefetch(gradient + j + ahead);
                VectorMath.Prefetch(gradient + half + j + ahead);
                Vector512<float> a = Vector512.Load(gradient + j), b = Vector512.Load(gradient + half + j);
                Vector512<float> cosine = Vector512.Load(cosines + j), sine = Vector512.Load(sines + j);
                var back = Vector512.FusedMultiplyAdd(a, cosine, b * sine);
                var front = Vector512.FusedMultiplyAdd(b, cosine, -(a * sine));
                back.Store(gradient + j);
                front.Store(gradient + half + j);
                s0 = Vector512.FusedMultiplyAdd(back * Vector512.Load(gain + j), Vector512.Load(x + j), s0);
                s1 = Vector512.FusedMultiplyAdd(front * Vector512.Load(gain + half + j), Vector512.Load(x + half + j), s1);
            }

            return VectorMath.Sum(s0 + s1);
        }

        Rope.RotateHead(gradient, half, cosines, sines, -1f);
        for (int e = 0; e < 2 * half; e++)
        {
            sum = MathF.FusedMultiplyAdd(gradient[e] * gain[e], x[e], sum);
        }

        return sum;
    }

    /// <summary>
    /// Turns the gradients of the heads' norms into those of their inputs, in place, and adds the gain's gradient to a partial
    /// sum, head after head.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseBackward(HeadRun* group, float* scales, float* shifts)
    {
        int headDim = group->HeadDim, count = group->Count;
        float* gradGain = group->GradGain;
        int whole = headDim & ~15;
        for (int h = 0; h < count; h++)
        {
            float* gradient = group->Rows + ((long)h * headDim), x = group->Saved + ((long)h * headDim), gain = group->Gain;
            Vector512<float> factor = Vector512.Create(scales[h]), shift = Vector512.Create(shifts[h]);
            for (int j = 0; j < whole; j += 16)
            {
                VectorMath.Prefetch(x + j + group->SavedAhead);
                Vector512<float> g = Vector512.Load(gradient + j), normal = Vector512.Load(x + j) * factor;
                if (gradGain is not null)
                {
                    Vector512.FusedMultiplyAdd(g, normal, Vector512.Load(gradGain + j)).Store(gradGain + j);
                }

                (Vector512.FusedMultiplyAdd(normal, shift, g * Vector512.Load(gain + j)) * factor).Store(gradient + j);
            }

            for (int j = whole; j < headDim; j++)
            {
                float g = gradient[j], normal = x[j] * scales[h];
                if (gradGain is not null)
                {
                    gradGain[j] = MathF.FusedMultiplyAdd(g, normal, gradGain[j]);
                }

                gradient[j] = MathF.FusedMultiplyAdd(normal, shifts[h], g * gain[j]) * scales[h];
            }
        }

    }
}
