using System.Runtime.InteropServices;

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
