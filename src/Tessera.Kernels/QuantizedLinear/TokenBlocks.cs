using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// Tokens rounded to groups of signed bytes and laid out for the kernels of <see cref="QuantizedLinear"/>: blocks of 6 tokens, the
/// last of 1, 2, 4 or 6.
/// </summary>
/// <remarks>
/// In a block of W tokens every group of 32 inputs is a record of 40·W bytes: 8 steps of W dwords (four inputs of each token),
/// then W scales (f32), then W integers from which a row's sum starts: minus the weight's offset times the sum of the token's
/// bytes, which makes up for weights being stored without sign. Bytes are within ±127. Tokens that fill up the last block are zeros.
/// </remarks>
internal readonly unsafe struct TokenBlocks
{
    /// <summary>Tokens of a whole block.</summary>
    public const int Width = 6;

    private const int GroupSize = DTypes.GroupElements;
    private const int GroupBytesPerToken = GroupSize + 8;

    // Below it 127 / magnitude would overflow.
    private const float SmallestMagnitude = 1e-36f;

    private readonly byte* _records;
    private readonly int _tokens;
    private readonly int _groups;
    private readonly int _columns;

    public TokenBlocks(byte* records, int tokens, int columns)
    {
        _records = records;
        _tokens = tokens;
        _columns = columns;
        _groups = GroupedMatrix.Groups(columns);
    }

    /// <summary>Blocks.</summary>
    public int Count => (_tokens + Width - 1) / Width;

    /// <summary>Groups of a token.</summary>
    public int Groups => _groups;

    /// <summary>Bytes of all records.</summary>
    public static long Bytes(int tokens, int columns) =>
        ((long)tokens + Width) * GroupedMatrix.Groups(columns) * GroupBytesPerToken;

    /// <summary>Bytes of one group of a block.</summary>
    public static int RecordBytes(int width) => width * GroupBytesPerToken;

    /// <summary>Where a token's scale lies in a record.</summary>
    public static int ScaleOffset(int width) => width * GroupSize;

    /// <summary>Where a token's start value lies in a record.</summary>
    public static int StartOffset(int width) => width * (GroupSize + sizeof(float));

    /// <summary>Tokens that a block computes, padding included: 1, 2, 4 or 6.</summary>
    public int WidthOf(int block)
    {
        int left = _tokens - (block * Width);
        return left >= 5 ? Width : left == 3 ? 4 : left;
    }

    /// <summary>Tokens of a block that exist.</summary>
    public int TokensOf(int block) => Math.Min(Width, _tokens - (block * Width));

    /// <summary>A block's record of a group.</summary>
    public byte* Record(int block, int group) =>
        _records + ((long)block * _groups * RecordBytes(Width)) + ((long)group * RecordBytes(WidthOf(block)));

    /// <summary>Rounds a worker's share of all tokens.</summary>
    /// <param name="input">[tokens, columns].</param>
    /// <param name="stride">Elements from one token to the next.</param>
    /// <param name="offset">What the weight's integers are stored with.</param>
    /// <param name="worker">The worker.</param>
    /// <param name="workers">Workers that share the work.</param>
    public void Fill(float* input, long stride, int offset, int worker, int workers)
    {
        // In units of half a block's groups, so that one block, too, is shared.
        var (start, end) = WorkerPool.Share((long)Count * 2, worker, workers);
        for (long half = start; half < end; half++)
        {
            int block = (int)(half / 2), middle = (_groups + 1) / 2;
            var (first, last) = half % 2 == 0 ? (0, middle) : (middle, _groups);
            int width = WidthOf(block), present = TokensOf(block);
            for (int t = 0; t < width; t++)
            {
                float* token = t < present ? input + ((((long)block * Width) + t) * stride) : null;
                FillToken(token, Record(block, first), t, width, offset, first, last);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillToken(float* token, byte* record, int place, int width, int offset, int first, int last)
    {
        int whole = token is null ? 0 : Math.Min(last, _columns / GroupSize);
        int group = first;
        for (; group < whole; group++, record += RecordBytes(width))
        {
            Round(RoundingGroup.Load(token + ((long)group * GroupSize)), record, place, width, offset);
        }

        for (; group < last; group++, record += RecordBytes(width))
        {
            int start = group * GroupSize;
            Round(token is null ? default : RoundingGroup.Load(token + start, _columns - start), record, place, width, offset);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(RoundingGroup group, byte* record, int place, int width, int offset)
    {
        float magnitude = group.Magnitude, scale = magnitude / 127, factor = 127 / magnitude;
        Vector512<int> low, high;
        if (magnitude >= SmallestMagnitude && RoundingGroup.IsNumber(magnitude))
        {
            (low, high) = group.Round(factor);
        }
        else
        {
            // Zeros; where a value is not a number the scale makes every product one that is not.
            (low, high) = (Vector512<int>.Zero, Vector512<int>.Zero);
            scale = RoundingGroup.IsNumber(magnitude) ? 0f : float.NaN;
        }

        RoundingGroup.Scatter(RoundingGroup.Bytes(low, high), (uint*)record + place, width);
        ((float*)(record + ScaleOffset(width)))[place] = scale;
        ((int*)(record + StartOffset(width)))[place] = -offset * Vector512.Sum(low + high);
    }
}
