using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>
/// Softmax of scores with eight or four lanes a register. What <see cref="Vector512"/> does without 512-bit registers goes through
/// memory: attention then ran at an eighth of its machine's peak.
/// </content>
public static unsafe partial class Attention
{
    /// <summary>The steps of <c>OnlineSoftmax</c>; the first row sees keys from <paramref name="hidden"/> on, a later query one less.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void OnlineSoftmaxNarrow(ForwardTiles* tiles, in RowSpan span, int width, int hidden)
    {
        float* scores = tiles->Scores;
        float* maximum = tiles->Maxima + span.First;
        float* sums = tiles->Sums + (16L * span.First);
        float* output = tiles->Outputs + ((long)span.First * width);
        int visible = span.Visible(0), keys = span.Keys, group = span.Group, left = group - (span.First % group);
        var none = new Vector<float>(float.NegativeInfinity);
        for (int r = span.Count; r > 0; r--, scores += KeyTile, maximum++, sums += 16, output += width)
        {
            Vector<float> largest = none;
            for (int j = 0; j < KeyTile; j += Vector<float>.Count)
            {
                var seen = Vector.ConditionalSelect(SeenNarrow(j, hidden, visible), Vector.Load(scores + j), none);
                largest = Vector.MaxNative(largest, seen);
                seen.Store(scores + j);
            }

            float tileMaximum = LargestNarrow(largest), now = *maximum;
            var sum = Vector.Load(sums);
            if (tileMaximum > now)
            {
                var factor = VectorMath.Exp(new Vector<float>(now - tileMaximum));
                now = tileMaximum;
                *maximum = now;
                sum *= factor;
                for (int e = 0; e < width; e += Vector<float>.Count)
                {
                    (Vector.Load(output + e) * factor).Store(output + e);
                }
            }

            var shift = new Vector<float>(now);
            for (int j = 0; j < KeyTile; j += Vector<float>.Count)
            {
                var p = VectorMath.Exp(Vector.Load(scores + j) - shift);
                p.Store(scores + j);
                sum += p;
            }

            sum.Store(sums);
            if (--left == 0)
            {
                left = group;
                hidden++;
                visible = Math.Clamp(visible + 1, 0, keys);
            }
        }
    }

    /// <summary>The steps of <c>SoftmaxBackward</c>; the first row sees keys from <paramref name="hidden"/> on, a later query one less.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void SoftmaxBackwardNarrow(BackwardTiles* tiles, in RowSpan span, int width, int hidden)
    {
        float* scores = tiles->Probabilities;
        float* gradient = tiles->GradScores;
        float* logSums = tiles->LogSums + span.First;
        float* delta = tiles->Deltas + span.First;
        int visible = span.Visible(0), keys = span.Keys, group = span.Group, left = group - (span.First % group);
        for (int r = span.Count; r > 0; r--, scores += KeyTile, gradient += KeyTile, logSums++, delta++)
        {
            var shift = new Vector<float>(*logSums);
            var deltas = new Vector<float>(*delta);
            for (int j = 0; j < width; j += Vector<float>.Count)
            {
                var mask = SeenNarrow(j, hidden, visible);
                var p = VectorMath.Exp(Vector.Load(scores + j) - shift);
                var d = p * (Vector.Load(gradient + j) - deltas);
                Vector.ConditionalSelect(mask, p, Vector<float>.Zero).Store(scores + j);
                Vector.ConditionalSelect(mask, d, Vector<float>.Zero).Store(gradient + j);
            }

            if (--left == 0)
            {
                left = group;
                hidden++;
                visible = Math.Clamp(visible + 1, 0, keys);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<int> SeenNarrow(int first, int hidden, int visible)
    {
        var lane = Vector<int>.Indices + new Vector<int>(first);
        return Vector.LessThan(lane, new Vector<int>(visible)) & Vector.GreaterThanOrEqual(lane, new Vector<int>(hidden));
    }

    /// <summary>Largest lane, ignoring NaN as the processor's maximum does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LargestNarrow(Vector<float> v)
    {
        Vector128<float> four = Vector<float>.Count == 8
            ? Vector128.MaxNative(v.AsVector256().GetLower(), v.AsVector256().GetUpper())
            : v.AsVector128();
        four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
