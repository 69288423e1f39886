using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The backward in tiles. A worker owns one key-value head of one segment: gradients of its keys and values are summed in
/// scratch over all queries, in the order of queries, so no two workers add to the same row.
/// </content>
public static unsafe partial class Attention
{
    private static void RunBackward(CpuDevice device, BackwardCall* call, in AttentionBounds bounds)
    {
        var mark = device.Scratch.Mark();
        call->Schedule = AttentionSchedule.Build(device, call->Segments, bounds, call->Shape, int.MaxValue);
        int group = call->Shape.GroupSize, padded = Padded(call->Shape.HeadDim);
        int chunk = Math.Min(call->Schedule.LongestItem, Math.Max(1, RowsPerUnit / group));
        call->ChunkQueries = chunk;
        call->Rows = (long)chunk * group;
        call->LongestKeys = call->Schedule.LongestItem;
        call->ScratchFloats = (call->Rows * ((3 * padded) + 32)) + (call->LongestKeys * 2 * padded)
            + (4L * KeyTile * padded) + (2 * RowsPerGroup * KeyTile);
        long work = call->Schedule.Pairs * group * call->Shape.HeadDim;
        bool alone = call->Schedule.Count < 2 || work < WorkOfOneThread;
        call->Scratch = device.Scratch.Floats(call->ScratchFloats * (alone ? 1 : device.Workers.Count));
        if (alone && !device.IsPlanning)
        {
            BackwardWorker(call, 0, 1);
        }
        else
        {
            device.Workers.Run(&BackwardWorker, call);
        }

        device.Scratch.Release(mark);
    }

    private static void BackwardWorker(void* context, int worker, int workers)
    {
        var call = (BackwardCall*)context;
        int padded = Padded(call->Shape.HeadDim);
        var tiles = default(BackwardTiles);
        tiles.Queries = call->Scratch + (worker * call->ScratchFloats);
        tiles.GradOutputs = tiles.Queries + (call->Rows * padded);
        tiles.GradQueries = tiles.GradOutputs + (call->Rows * padded);
        tiles.LogSums = tiles.GradQueries + (call->Rows * padded);
        tiles.Deltas = tiles.LogSums + (call->Rows * 16);
        tiles.GradKeys = tiles.Deltas + (call->Rows * 16);
        tiles.GradValues = tiles.GradKeys + (call->LongestKeys * padded);
        tiles.KeyRows = tiles.GradValues + (call->LongestKeys * padded);
        tiles.ValueRows = tiles.KeyRows + (KeyTile * padded);
        tiles.KeysTransposed = tiles.ValueRows + (KeyTile * padded);
        tiles.ValuesTransposed = tiles.KeysTransposed + (KeyTile * padded);
        tiles.Probabilities = tiles.ValuesTransposed + (KeyTile * padded);
        tiles.GradScores = tiles.Probabilities + (RowsPerGroup * KeyTile);
        for (var item = call->Schedule.Take(); item != null; item = call->Schedule.Take())
        {
            BackwardUnit(call, item, &tiles);
        }
    }

    private static void BackwardUnit(BackwardCall* call, AttentionItem* item, BackwardTiles* tiles)
    {
        var segment = call->Segments[item->Segment];
        int headDim = call->Shape.HeadDim, padded = Padded(headDim), keys = segment.KeyCount;
        long keyOffset = (long)item->KvHead * headDim;
        new Span<float>(tiles->GradKeys, keys * padded).Clear();
        new Span<float>(tiles->GradValues, keys * padded).Clear();
        for (int first = 0; first < segment.QueryCount; first += call->ChunkQueries)
        {
            BackwardChunk(call, segment, item->KvHead, first, Math.Min(call->ChunkQueries, segment.QueryCount - first), tiles);
        }

        float one = 1f;
        long target = (segment.QueryStart * call->GradStride) + keyOffset;
        AttentionTiles.StoreHeads(tiles->GradKeys, padded, keys, 1, headDim, &one, 0, call->GradKeys + target, call->GradStride);
        AttentionTiles.StoreHeads(tiles->GradValues, padded, keys, 1, headDim, &one, 0, call->GradValues + target, call->GradStride);
    }

    private static void BackwardChunk(
        BackwardCall* call, in AttentionSegment segment, int kvHead, int first, int queries, BackwardTiles* tiles)
    {
        int group = call->Shape.GroupSize, headDim = call->Shape.HeadDim, padded = Padded(headDim);
        int rows = queries * group, keys = first + queries;
        long firstRow = segment.QueryStart + (long)first;
        long headOffset = (long)kvHead * group * headDim;
        long output = (firstRow * call->OutputStride) + headOffset;
        float* packed = call->Queries + (firstRow * call->QueryStride) + headOffset;
        float scale = call->Shape.Scale;
        AttentionTiles.LoadHeads(packed, call->QueryStride, queries, group, headDim, padded, scale, tiles->Queries);
        AttentionTiles.LoadHeads(call->GradOutput + output, call->OutputStride, queries, group, headDim, padded, 1f, tiles->GradOutputs);
        for (int i = 0; i < queries; i++)
        {
            float* logSums = call->LogSumExp + ((firstRow + i) * call->Shape.Heads) + (kvHead * group);
            long head = output + (i * call->OutputStride);
            for (int g = 0; g < group; g++, head += headDim)
            {
                tiles->LogSums[(i * group) + g] = logSums[g];
                tiles->Deltas[(i * group) + g] = Dot(call->GradOutput + head, call->Output + head, headDim);
            }
        }

        new Span<float>(tiles->GradQueries, rows * padded).Clear();
        int window = call->Shape.Window;
        for (int tile = FirstTile(call->Shape, first); tile < keys; tile += KeyTile)
        {
            int count = Math.Min(KeyTile, keys - tile);
            BackwardPack(call, (segment.RowOf(tile) * call->KeyValueStride) + ((long)kvHead * headDim), count, tiles);
            int start = Math.Max(0, tile - first) * group;
            int end = QueriesSeeing(tile, count, first, queries, window) * group;
            for (int row = start; row < end; row += RowsPerGroup)
            {
                var span = new RowSpan(row, Math.Min(RowsPerGroup, end - row), group, first + 1 - tile, count, window);
                BackwardGroup(tiles, span, tile, headDim);
            }
        }

        float* target = call->GradQueries + (firstRow * call->GradStride) + headOffset;
        AttentionTiles.StoreHeads(tiles->GradQueries, padded, queries, group, headDim, &scale, 0, target, call->GradStride);
    }

    private static void BackwardPack(BackwardCall* call, long offset, int count, BackwardTiles* tiles)
    {
        int headDim = call->Shape.HeadDim, padded = Padded(headDim);
        AttentionTiles.Load((nint)(call->Keys + offset), DType.F32, call->KeyValueStride, count, headDim, padded, tiles->KeyRows);
        AttentionTiles.Load((nint)(call->Values + offset), DType.F32, call->KeyValueStride, count, headDim, padded, tiles->ValueRows);
        AttentionTiles.Transpose((nint)tiles->KeyRows, DType.F32, padded, count, padded, tiles->KeysTransposed);
        AttentionTiles.Transpose((nint)tiles->ValueRows, DType.F32, padded, count, padded, tiles->ValuesTransposed);
    }

    private static void BackwardGroup(BackwardTiles* tiles, in RowSpan span, int tile, int headDim)
    {
        int padded = Padded(headDim), visible = span.Visible(span.Count - 1);
        float* queries = tiles->Queries + ((long)span.First * padded);
        float* gradOutputs = tiles->GradOutputs + ((long)span.First * padded);
        AgainstKeys(queries, tiles->KeysTransposed, tiles->Probabilities, span.Count, visible, headDim);
        AgainstKeys(gradOutputs, tiles->ValuesTransposed, tiles->GradScores, span.Count, visible, headDim);
        int width = (visible + 15) & ~15;
        if (!Vector512.IsHardwareAccelerated)
        {
            SoftmaxBackwardNarrow(tiles, span, width, span.HiddenUnclamped(0));
        }
        else if (span.Hidden(span.Count - 1) == 0)
        {
            SoftmaxBackward<AllBefore>(tiles, span, width);
        }
        else
        {
            SoftmaxBackward<WindowBefore>(tiles, span, width);
        }

        int step = span.Visible(0) == span.Keys ? span.Count : 6;
        for (int r = 0; r < span.Count; r += step)
        {
            int block = Math.Min(step, span.Count - r);
            var product = new TileProduct
            {
                A = tiles->GradScores + (r * KeyTile),
                ARowStride = KeyTile,
                ADepthStride = 1,
                B = tiles->KeyRows,
                BStride = padded,
                C = tiles->GradQueries + (((long)span.First + r) * padded),
                CStride = padded,
                Depth = span.Visible(r + block - 1),
                Accumulate = true,
            };
            TileProduct.Multiply(&product, block, padded / 16);
        }

        AgainstRows(tiles->Probabilities, gradOutputs, tiles->GradValues + ((long)tile * padded), span.Count, visible, padded);
        AgainstRows(tiles->GradScores, queries, tiles->GradKeys + ((long)tile * padded), span.Count, visible, padded);
    }

    /// <summary>result[row, key] = Σ_e rows[row, e]·transposed[e, key].</summary>
    private static void AgainstKeys(float* rows, float* transposed, float* result, int rowCount, int visible, int headDim)
    {
        var product = new TileProduct
        {
            A = rows,
            ARowStride = Padded(headDim),
            ADepthStride = 1,
            B = transposed,
            BStride = KeyTile,
            C = result,
            CStride = KeyTile,
            Depth = headDim,
        };
        TileProduct.Multiply(&product, rowCount, (visible + 15) / 16);
    }

    /// <summary>result[key, e] += Σ_row weights[row, key]·rows[row, e]: the weights are read transposed.</summary>
    private static void AgainstRows(float* weights, float* rows, float* result, int rowCount, int visible, int padded)
    {
        var product = new TileProduct
        {
            A = weights,
            ARowStride = 1,
            ADepthStride = KeyTile,
            B = rows,
            BStride = padded,
            C = result,
            CStride = padded,
            Depth = rowCount,
            Accumulate = true,
        };
        TileProduct.Multiply(&product, visible, padded / 16);
    }

    /// <summary>
    /// Scores become P = exp(score − logSum) and gradients become P·(gradient − delta) in the first <paramref name="width"/>
    /// keys; both are 0 where a row does not see the key.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void SoftmaxBackward<TBefore>(BackwardTiles* tiles, in RowSpan span, int width)
        where TBefore : struct, IVisibility
    {
        float* scores = tiles->Probabilities;
        float* gradient = tiles->GradScores;
        float* logSums = tiles->LogSums + span.First;
        float* delta = tiles->Deltas + span.First;
        int visible = span.Visible(0), keys = span.Keys, group = span.Group, left = group - (span.First % group);
        int hidden = span.HiddenUnclamped(0);
        for (int r = span.Count; r > 0; r--, scores += KeyTile, gradient += KeyTile, logSums++, delta++)
        {
            var shift = Vector512.Create(*logSums);
            var deltas = Vector512.Create(*delta);
            var limit = Vector512.Create(visible);
            for (int j = 0; j < width; j += 16)
            {
                var mask = TBefore.Mask(Lane(j), limit, hidden);
                var p = AttentionExponential.ExpBelow88(Vector512.Load(scores + j) - shift);
                var d = p * (Vector512.Load(gradient + j) - deltas);
                Vector512.ConditionalSelect(mask, p, Vector512<float>.Zero).Store(scores + j);
                Vector512.ConditionalSelect(mask, d, Vector512<float>.Zero).Store(gradient + j);
            }

            if (--left == 0)
            {
                left = group;
                hidden++;
                visible = Math.Clamp(visible + 1, 0, keys);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* left, float* right, int count)
    {
        var sum = Vector512<float>.Zero;
        int e = 0;
        for (; e + 16 <= count; e += 16)
        {
            sum = Vector512.MultiplyAddEstimate(Vector512.Load(left + e), Vector512.Load(right + e), sum);
        }

        float result = AttentionExponential.Sum(sum);
        for (; e < count; e++)
        {
            result = MathF.FusedMultiplyAdd(left[e], right[e], result);
        }

        return result;
    }

    private struct BackwardTiles
    {
        public float* Queries;
        public float* GradOutputs;
        public float* GradQueries;
        public float* LogSums;
        public float* Deltas;
        public float* GradKeys;
        public float* GradValues;
        public float* KeyRows;
        public float* ValueRows;
        public float* KeysTransposed;
        public float* ValuesTransposed;
        public float* Probabilities;
        public float* GradScores;
    }

    private struct BackwardCall
    {
        public AttentionShape Shape;
        public float* Queries;
        public long QueryStride;
        public AttentionSegment* Segments;
        public float* Keys;
        public float* Values;
        public long KeyValueStride;
        public float* Output;
        public float* GradOutput;
        public long OutputStride;
        public float* LogSumExp;
        public float* GradQueries;
        public float* GradKeys;
        public float* GradValues;
        public long GradStride;
        public AttentionSchedule Schedule;
        public float* Scratch;
        public long ScratchFloats;
        public long Rows;
        public long LongestKeys;
        public int ChunkQueries;
    }
}
