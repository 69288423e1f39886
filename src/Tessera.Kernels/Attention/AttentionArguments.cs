using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>What every forward kernel is given; <c>ForwardArguments</c> in <c>attention.cuh</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionForwardArguments
{
    public nint Queries;
    public nint Keys;
    public nint Values;
    public AttentionSegment* Segments;
    public nint Output;
    public float* LogSumExp;

    /// <summary>[segments, K, splits, G, E]: sums over parts of a decoding query's keys.</summary>
    public float* PartOutputs;

    /// <summary>[segments, K, splits, G, 2]: maximum of a part's scores in powers of two, and the sum of its probabilities.</summary>
    public float* PartStatistics;

    public long QueryStride;
    public long KeyValueStride;
    public long OutputStride;
    public long GroupReciprocal;
    public int SegmentCount;
    public int FirstSegment;

    /// <summary>Segments with fewer queries are left to other kernels.</summary>
    public int LeastQueries;

    public int Heads;
    public int Group;
    public int Window;
    public int Splits;
    public float Scale;
}

/// <summary>What every backward kernel is given; <c>BackwardArguments</c> in <c>attention.cuh</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionBackwardArguments
{
    public nint Queries;
    public nint Keys;
    public nint Values;
    public AttentionSegment* Segments;
    public nint Output;
    public nint GradOutput;
    public float* LogSumExp;

    /// <summary>[tokens, H]: Σ_e gradOutput·output.</summary>
    public float* Delta;

    public nint GradQueries;
    public nint GradKeys;
    public nint GradValues;
    public long QueryStride;
    public long KeyValueStride;
    public long OutputStride;
    public long GradStride;
    public long GroupReciprocal;
    public int SegmentCount;
    public int Tokens;
    public int Heads;
    public int Group;
    public int Window;
    public float Scale;
}

/// <summary>How many elements of every row lie aligned side by side, which decides how a kernel may read them.</summary>
internal static class AttentionAlignment
{
    /// <summary>
    /// The largest of 8, 4, 2 and 1 elements that divides all distances between heads and rows, and whose bytes divide all
    /// addresses.
    /// </summary>
    /// <param name="distances">Head dimension and strides in elements, joined by or: only their lowest bit matters.</param>
    /// <param name="starts">First elements of all operands.</param>
    public static int Of(long distances, params ReadOnlySpan<Elements> starts)
    {
        long bits = distances;
        foreach (var start in starts)
        {
            // An address that is no multiple of its element does not occur.
            bits |= start.Address / start.Type.Bytes();
        }

        return (int)Math.Min(8, bits & -bits);
    }
}
