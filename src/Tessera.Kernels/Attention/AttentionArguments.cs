using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>What every forward kernel is given; <c>AttentionForwardArguments</c> in <c>attention.cuh</c>.</summary>
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

/// <summary>What every backward kernel is given; <c>AttentionBackwardArguments</c> in <c>attention.cuh</c>.</summary>
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

/// <summary>What the pipelined forward is given; as long as a multiple of the 64 bytes to which its maps are aligned.</summary>
[StructLayout(LayoutKind.Sequential, Size = 576)]
internal struct AttentionPipelinedForwardArguments
{
    /// <summary>[tokens, H, E], in boxes of a tile's queries of one group.</summary>
    public TensorMap Queries;

    /// <summary>[positions, K, E], in boxes of 64 positions of one head.</summary>
    public TensorMap Keys;

    /// <summary>As the keys.</summary>
    public TensorMap Values;

    public AttentionForwardArguments Call;

    /// <summary>Rows of a tile that are a whole number of groups.</summary>
    public long TileRows;
}

/// <summary>What the pipelined backward is given; as long as a multiple of the 64 bytes to which its maps are aligned.</summary>
[StructLayout(LayoutKind.Sequential, Size = 704)]
internal unsafe struct AttentionPipelinedBackwardArguments
{
    /// <summary>[tokens, H, E], in boxes of a tile's queries of one group.</summary>
    public TensorMap Queries;

    /// <summary>As the queries.</summary>
    public TensorMap Grads;

    /// <summary>[positions, K, E], in boxes of 64 positions of one head.</summary>
    public TensorMap Keys;

    /// <summary>As the keys.</summary>
    public TensorMap Values;

    public AttentionBackwardArguments Call;

    /// <summary>[K, tokens · G, whole panels of 64]: gradients of queries before they are scaled and rounded.</summary>
    public float* Sums;

    /// <summary>[K, tokens]: how many blocks have added to the tile that begins with this query; zeros before the kernel.</summary>
    public int* Turns;

    /// <summary>Rows of a tile that are a whole number of groups.</summary>
    public long TileRows;
}
