using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The forward in tiles. A unit stacks the G query heads of a key-value head into rows r = query·G + head, so that keys and
/// values are packed once for all of them, and keeps running maxima, sums and outputs of its rows while it walks the keys.
/// </content>
public static unsafe partial class Attention
{
    /// <summary>Rows of one unit: queries and outputs at E = 128 fill half of a 1 MiB second-level cache.</summary>
    private const int RowsPerUnit = 512;

    /// <summary>Rows whose scores are in work at once: 48 x 64 scores take 12 KiB of first-level cache.</summary>
    private const int RowsPerGroup = 48;

    /// <summary>Up to this many rows, f32 values are read in place: packing them would cost as much as it saves.</summary>
    private const int RowsReadInPlace = 12;

    /// <summary>Multiply-adds below which waking the workers costs more than they save.</summary>
    private const long WorkOfOneThread = 100_000;

    private const int KeyTile = AttentionTiles.KeyTile;

    private static int Padded(int headDim) => (headDim + 15) & ~15;

    private static void RunForward(CpuDevice device, ForwardCall* call, in AttentionBounds bounds)
    {
        var mark = device.Scratch.Mark();
        int group = call->Shape.GroupSize;
        int chunk = Math.Max(1, RowsPerUnit / group);
        call->Schedule = AttentionSchedule.Build(device, call->Segments, bounds, call->Shape, chunk);
        long rows = (long)call->Schedule.LongestItem * group;
        int padded = Padded(call->Shape.HeadDim);
        call->Rows = rows;
        call->ScratchFloats = (rows * ((2 * padded) + 32)) + (3L * KeyTile * padded) + (RowsPerGroup * KeyTile) + 16;
        long work = call->Schedule.Pairs * group * call->Shape.HeadDim;
        bool alone = call->Schedule.Count < 2 || work < WorkOfOneThread;
        call->Scratch = device.Scratch.Floats(call->ScratchFloats * (alone ? 1 : device.Workers.Count));
        if (alone && !device.IsPlanning)
        {
            ForwardWorker(call, 0, 1);
        }
        else
        {
            device.Workers.Run(&ForwardWorker, call);
        }

        device.Scratch.Release(mark);
    }

    private static void ForwardWorker(void* context, int worker, int workers)
    {
        var call = (ForwardCall*)context;
        int padded = Padded(call->Shape.HeadDim);
        var tiles = default(ForwardTiles);
        tiles.Queries = call->Scratch + (worker * call->ScratchFloats);
        tiles.Outputs = tiles.Queries + (call->Rows * padded);
        tiles.Sums = tiles.Outputs + (call->Rows * padded);
        tiles.Maxima = tiles.Sums + (call->Rows * 16);
        tiles.RowMajor = tiles.Maxima + (call->Rows * 16);
        tiles.Transposed = tiles.RowMajor + (KeyTile * padded);
        tiles.Values = tiles.Transposed + (KeyTile * padded);
        tiles.Scores = tiles.Values + (KeyTile * padded);
        for (var item = call->Schedule.Take(); item != null; item = call->Schedule.Take())
        {
            ForwardUnit(call, item, &tiles);
        }
    }

    private static void ForwardUnit(ForwardCall* call, AttentionItem* item, ForwardTiles* tiles)
    {
        var segment = call->Segments[item->Segment];
        int group = call->Shape.GroupSize, headDim = call->Shape.HeadDim, padded = Padded(headDim);
        int rows = item->QueryCount * group;
        int prefix = segment.KeyCount - segment.QueryCount + item->FirstQuery;
        int keys = prefix + item->QueryCount;
        long firstRow = segment.QueryStart + item->FirstQuery;
        long headOffset = (long)item->KvHead * group * headDim;
        float* queries = call->Queries + (firstRow * call->QueryStride) + headOffset;
        AttentionTiles.LoadHeads(queries, call->QueryStride, item->QueryCount, group, headDim, padded, call->Shape.Scale, tiles->Queries);
        new Span<float>(tiles->Maxima, rows).Fill(float.NegativeInfinity);
        new Span<float>(tiles->Outputs, rows * padded).Clear();
        new Span<float>(tiles->Sums, rows * 16).Clear();
        long keyOffset = (long)item->KvHead * headDim;
        int window = call->Shape.Window;
        for (int tile = FirstTile(call->Shape, prefix); tile < keys; tile += KeyTile)
        {
            int count = Math.Min(KeyTile, keys - tile);
            long offset = (segment.RowOf(tile) * call->KeyValueStride) + keyOffset;
            ForwardPack(call, offset, count, rows, tiles);
            int start = Math.Max(0, tile - prefix) * group;
            int end = QueriesSeeing(tile, count, prefix, item->QueryCount, window) * group;
            for (int row = start; row < end; row += RowsPerGroup)
            {
                var span = new RowSpan(row, Math.Min(RowsPerGroup, end - row), group, prefix + 1 - tile, count, window);
                ForwardGroup(tiles, span, headDim);
            }
        }

        float* logSumExp = call->LogSumExp == null ? null : call->LogSumExp + (firstRow * call->Shape.Heads) + (item->KvHead * group);
        FinishSums(tiles, item->QueryCount, group, logSumExp, call->Shape.Heads);
        float* output = call->Output + (firstRow * call->OutputStride) + headOffset;
        AttentionTiles.StoreHeads(
            tiles->Outputs, padded, item->QueryCount, group, headDim, tiles->Maxima, 1, output, call->OutputStride);
    }

    /// <summary>Writes log-sum-exps and leaves 1 / sum of every row in place of its maximum.</summary>
    private static void FinishSums(ForwardTiles* tiles, int queries, int group, float* logSumExp, int heads)
    {
        for (int i = 0; i < queries; i++)
        {
            for (int g = 0; g < group; g++)
            {
                int r = (i * group) + g;
                float sum = AttentionExponential.Sum(Vector512.Load(tiles->Sums + (16L * r)));
                if (logSumExp != null)
                {
                    logSumExp[((long)i * heads) + g] = tiles->Maxima[r] + MathF.Log(sum);
                }

                tiles->Maxima[r] = 1f / sum;
            }
        }
    }

    private static void ForwardPack(ForwardCall* call, long offset, int count, int rows, ForwardTiles* tiles)
    {
        int headDim = call->Shape.HeadDim, padded = Padded(headDim);
        var type = call->KeyValueType;
        long stride = call->KeyValueStride;
        nint bytes = (nint)(offset * type.Bytes());
        bool whole = headDim == padded;
        if (whole)
        {
            AttentionTiles.Transpose(call->Keys + bytes, type, stride, count, padded, tiles->Transposed);
        }
        else
        {
            AttentionTiles.Load(call->Keys + bytes, type, stride, count, headDim, padded, tiles->RowMajor);
            AttentionTiles.Transpose((nint)tiles->RowMajor, DType.F32, padded, count, padded, tiles->Transposed);
        }

        if (whole && type == DType.F32 && rows <= RowsReadInPlace)
        {
            tiles->ValueRows = (float*)call->Values + offset;
            tiles->ValueStride = (nint)stride;
            return;
        }

        AttentionTiles.Load(call->Values + bytes, type, stride, count, headDim, padded, tiles->Values);
        tiles->ValueRows = tiles->Values;
        tiles->ValueStride = padded;
    }

    /// <summary>Scores, probabilities and outputs of some rows against one tile of keys.</summary>
    private static void ForwardGroup(ForwardTiles* tiles, in RowSpan span, int headDim)
    {
        int padded = Padded(headDim);
        float* outputs = tiles->Outputs + ((long)span.First * padded);
        var product = new TileProduct
        {
            A = tiles->Queries + ((long)span.First * padded),
            ARowStride = padded,
            ADepthStride = 1,
            B = tiles->Transposed,
            BStride = KeyTile,
            C = tiles->Scores,
            CStride = KeyTile,
            Depth = headDim,
        };
        TileProduct.Multiply(&product, span.Count, (span.Visible(span.Count - 1) + 15) / 16);
        if (!Vector512.IsHardwareAccelerated)
        {
            OnlineSoftmaxNarrow(tiles, span, padded, span.HiddenUnclamped(0));
        }
        else if (span.Hidden(span.Count - 1) == 0)
        {
            OnlineSoftmax<AllBefore>(tiles, span, padded);
        }
        else
        {
            OnlineSoftmax<WindowBefore>(tiles, span, padded);
        }

        // Six rows at a time on the diagonal, because each block stops at its own last visible key.
        int step = span.Visible(0) == span.Keys ? span.Count : 6;
        for (int r = 0; r < span.Count; r += step)
        {
            int block = Math.Min(step, span.Count - r);
            product = new TileProduct
            {
                A = tiles->Scores + (r * KeyTile),
                ARowStride = KeyTile,
                ADepthStride = 1,
                B = tiles->ValueRows,
                BStride = tiles->ValueStride,
                C = outputs + ((long)r * padded),
                CStride = padded,
                Depth = span.Visible(r + block - 1),
                Accumulate = true,
            };
            TileProduct.Multiply(&product, block, padded / 16);
        }
    }

    /// <summary>
    /// Turns the scores of some rows into probabilities relative to each row's running maximum. When the maximum grows, what was
    /// summed before is scaled down; when not, the factor would be exactly 1. Lanes outside the visible keys become 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void OnlineSoftmax<TBefore>(ForwardTiles* tiles, in RowSpan span, int width)
        where TBefore : struct, IVisibility
    {
        float* scores = tiles->Scores;
        float* maximum = tiles->Maxima + span.First;
        float* sums = tiles->Sums + (16L * span.First);
        float* output = tiles->Outputs + ((long)span.First * width);
        int visible = span.Visible(0), keys = span.Keys, group = span.Group, left = group - (span.First % group);
        int hidden = span.HiddenUnclamped(0);
        var none = Vector512.Create(float.NegativeInfinity);
        for (int r = span.Count; r > 0; r--, scores += KeyTile, maximum++, sums += 16, output += width)
        {
            // Rows that see at most half a tile skip the other half: adding its zeros would not change the sum.
            bool isWide = visible > 32;
            var limit = Vector512.Create(visible);
            var s0 = Vector512.ConditionalSelect(TBefore.Mask(Lane(0), limit, hidden), Vector512.Load(scores), none);
            var s1 = Vector512.ConditionalSelect(TBefore.Mask(Lane(16), limit, hidden), Vector512.Load(scores + 16), none);
            var s2 = none;
            var s3 = none;
            var largest = Vector512.MaxNative(s0, s1);
            if (isWide)
            {
                s2 = Vector512.ConditionalSelect(TBefore.Mask(Lane(32), limit, hidden), Vector512.Load(scores + 32), none);
                s3 = Vector512.ConditionalSelect(TBefore.Mask(Lane(48), limit, hidden), Vector512.Load(scores + 48), none);
                largest = Vector512.MaxNative(largest, Vector512.MaxNative(s2, s3));
            }

            float tileMaximum = AttentionExponential.Maximum(largest), now = *maximum;
            var sum = Vector512.Load(sums);
            if (tileMaximum > now)
            {
                var factor = AttentionExponential.ExpBelow88(Vector512.Create(now - tileMaximum));
                now = tileMaximum;
                *maximum = now;
                sum *= factor;
                for (int e = 0; e < width; e += 16)
                {
                    (Vector512.Load(output + e) * factor).Store(output + e);
                }
            }

            var shift = Vector512.Create(now);
            var p0 = AttentionExponential.ExpBelow88(s0 - shift);
            var p1 = AttentionExponential.ExpBelow88(s1 - shift);
            var p2 = Vector512<float>.Zero;
            var p3 = Vector512<float>.Zero;
            if (isWide)
            {
                p2 = AttentionExponential.ExpBelow88(s2 - shift);
                p3 = AttentionExponential.ExpBelow88(s3 - shift);
            }

            p0.Store(scores);
            p1.Store(scores + 16);
            p2.Store(scores + 32);
            p3.Store(scores + 48);
            (sum + ((p0 + p1) + (p2 + p3))).Store(sums);
            if (--left == 0)
            {
                left = group;
                hidden++;
                visible = Math.Clamp(visible + 1, 0, keys);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Lane(int first) => Vector512<int>.Indices + Vector512.Create(first);

    private struct ForwardTiles
    {
        public float* Queries;
        public float* Outputs;
        public float* Sums;
        public float* Maxima;
        public float* RowMajor;
        public float* Transposed;
        public float* Values;
        public float* Scores;
        public float* ValueRows;
        public nint ValueStride;
    }

    private struct ForwardCall
    {
        public AttentionShape Shape;
        public float* Queries;
        public long QueryStride;
        public AttentionSegment* Segments;
        public nint Keys;
        public nint Values;
        public DType KeyValueType;
        public long KeyValueStride;
        public float* Output;
        public long OutputStride;
        public float* LogSumExp;
        public AttentionSchedule Schedule;
        public float* Scratch;
        public long ScratchFloats;
        public long Rows;
    }
}
