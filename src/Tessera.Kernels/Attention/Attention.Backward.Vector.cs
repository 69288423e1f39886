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
    private static void RunBackward(CpuDevice device, BackwardCall* call, int segmentCount)
    {
        var mark = device.Scratch.Mark();
        call->Schedule = AttentionSchedule.Build(call->Segments, segmentCount, call->Shape.KvHeads, int.MaxValue, device.Scratch);
        int group = call->Shape.GroupSize, padded = Padded(call->Shape.HeadDim);
        int chunk = Math.Min(call->Schedule.LongestItem, Math.Max(1, RowsPerUnit / group));
        call->ChunkQueries = chunk;
        call->Rows = (long)chunk * group;
        call->Keys = call->Schedule.LongestItem;
        call->ScratchFloats = (call->Rows * ((3 * padded) + 32)) + (call->Keys * 2 * padded)
            + (4L * KeyTile * padded) + (2 * RowsPerGroup * KeyTile);
        long work = call->Schedule.Pairs * group * call->Shape.HeadDim;
        bool alone = call->Schedule.Count < 2 || work < WorkOfOneThread;
        call->Scratch = device.Scratch.Floats(call->ScratchFloats * (alone ? 1 : device.Workers.Count));
        if (alone)
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
        tiles.GradValues = tiles.GradKeys + (call->Keys * padded);
        tiles.KeyRows = tiles.GradValues + (call->Keys * padded);
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

        for (int j = 0; j < keys; j++)
        {
            long target = ((segment.QueryStart + (long)j) * call->GradStride) + keyOffset;
            AttentionTiles.StoreScaled(tiles->GradKeys + ((long)j * padded), headDim, 1f, call->GradKeys + target);
            AttentionTiles.StoreScaled(tiles->GradValues + ((long)j * padded), headDim, 1f, call->GradValues + target);
        }
    }

    private static void BackwardChunk(BackwardCall* call, in AttentionSegment segment, int kvHead, int first, int queries, BackwardTiles* tiles)
    {
        int group = call->Shape.GroupSize, headDim = call->Shape.HeadDim, padded = Padded(headDim);
        int rows = queries * group, keys = first + queries;
        long firstRow = segment.QueryStart + (long)first;
        long headOffset = (long)kvHead * group * headDim;
        for (int r = 0; r < rows; r++)
        {
            long token = firstRow + (r / group);
            long query = (token * call->QueryStride) + headOffset + (r % group * headDim);
            long output = (token * call->OutputStride) + headOffset + (r % group * headDim);
            AttentionTiles.LoadScaled(call->Queries + query, headDim, padded, call->Shape.Scale, tiles->Queries + ((long)r * padded));
            AttentionTiles.LoadScaled(call->GradOutput + output, headDim, padded, 1f, tiles->GradOutputs + ((long)r * padded));
            tiles->Deltas[r] = Dot(call->GradOutput + output, call->Output + output, headDim);
            tiles->LogSums[r] = call->LogSumExp[(token * call->Shape.Heads) + (kvHead * group) + (r % group)];
        }

        new Span<float>(tiles->GradQueries, rows * padded).Clear();
        for (int tile = 0; tile < keys; tile += KeyTile)
        {
            int count = Math.Min(KeyTile, keys - tile);
            BackwardPack(call, segment, (tile * call->KeyValueStride) + ((long)kvHead * headDim), count, tiles);
            int start = Math.Max(0, tile - first) * group;
            for (int row = start; row < rows; row += RowsPerGroup)
            {
                var span = new RowSpan(row, Math.Min(RowsPerGroup, rows - row), group, first + 1 - tile, count);
                BackwardGroup(tiles, span, tile, headDim);
            }
        }

        for (int r = 0; r < rows; r++)
        {
            float* target = call->GradQueries + ((firstRow + (r / group)) * call->GradStride) + headOffset + (r % group * headDim);
            AttentionTiles.StoreScaled(tiles->GradQueries + ((long)r * padded), headDim, call->Shape.Scale, target);
        }
    }

    private static void BackwardPack(BackwardCall* call, in AttentionSegment segment, long offset, int count, BackwardTiles* tiles)
    {
        int headDim = call->Shape.HeadDim, padded = Padded(headDim);
        nint bytes = (nint)(offset * sizeof(float));
        AttentionTiles.Load(segment.Keys + bytes, DType.F32, call->KeyValueStride, count, headDim, padded, tiles->KeyRows);
        AttentionTiles.Load(segment.Values + bytes, DType.F32, call->KeyValueStride, count, headDim, padded, tiles->ValueRows);
        AttentionTiles.Transpose(tiles->KeyRows, padded, count, padded, tiles->KeysTransposed);
        AttentionTiles.Transpose(tiles->ValueRows, padded, count, padded, tiles->ValuesTransposed);
    }

    private static void BackwardGroup(BackwardTiles* tiles, in RowSpan span, int tile, int headDim)
    {
        int padded = Padded(headDim), visible = span.Visible(span.Count - 1);
        float* queries = tiles->Queries + ((long)span.First * padded);
        float* gradOutputs = tiles->GradOutputs + ((long)span.First * padded);
        AgainstKeys(queries, tiles->KeysTransposed, tiles->Probabilities, span.Count, visible, headDim);
        AgainstKeys(gradOutputs, tiles->ValuesTransposed, tiles->GradScores, span.Count, visible, headDim);
        for (int r = 0; r < span.Count; r++)
        {
            int row = span.First + r;
            SoftmaxBackwardRow(
                tiles->Probabilities + (r * KeyTile), tiles->GradScores + (r * KeyTile), span.Visible(r), tiles->LogSums[row], tiles->Deltas[row]);
        }

        for (int r = 0; r < span.Count; r += 6)
        {
            int block = Math.Min(6, span.Count - r);
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

    /// <summary>scores becomes P = exp(score − logSum), gradient becomes P·(gradient − delta); both 0 where not visible.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void SoftmaxBackwardRow(float* scores, float* gradient, int visible, float logSum, float delta)
    {
        var shift = Vector512.Create(logSum);
        var deltas = Vector512.Create(delta);
        var limit = Vector512.Create(visible);
        for (int j = 0; j < KeyTile; j += 16)
        {
            var mask = Vector512.LessThan(Vector512<int>.Indices + Vector512.Create(j), limit).AsSingle();
            var p = AttentionExponential.Exp(Vector512.Load(scores + j) - shift);
            var d = p * (Vector512.Load(gradient + j) - deltas);
            Vector512.ConditionalSelect(mask, p, Vector512<float>.Zero).Store(scores + j);
            Vector512.ConditionalSelect(mask, d, Vector512<float>.Zero).Store(gradient + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* left, float* right, int count)
    {
        var sum = Vector512<float>.Zero;
        int e = 0;
        for (; e + 16 <= count; e += 16)
        {
            sum = Vector512.FusedMultiplyAdd(Vector512.Load(left + e), Vector512.Load(right + e), sum);
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
        public long Keys;
        public int ChunkQueries;
    }
}
