using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    // Sums of one pass over C. Long passes read and write C less often; 512 sums of 12 + 32 lanes still leave room in L2.
    private const int MaximumDepth = 512;

    // Rows of A packed at a time in the row split: 192 x 512 x 4 = 384 KiB of L2.
    private const int MaximumChunkRows = 192;

    // Rows up to which a whole block of A is packed once and the columns are split instead: 384 x 512 x 4 = 768 KiB.
    private const int MaximumColumnSplitRows = 384;

    // Columns of B packed at a time in the row split; a multiple of both tile widths. 3072 x 512 x 4 = 6 MiB of L3.
    private const int MaximumPanelColumns = 3072;

    // Below this many multiply-adds a fork-join costs more than it saves.
    private const long MinimumParallelWork = 1L << 17;

    private const int SpinsBeforeYielding = 2_000;

    /// <summary>What the workers share while one product runs; lives on the stack of the launching thread.</summary>
    private struct Job
    {
        public Operand A;
        public Operand B;
        public float* C;
        public long CStride;
        public int M;
        public int N;
        public int K;
        public int Depth;
        public int ChunkRows;
        public bool Accumulate;

        // Packed by all workers together: the panel of B in the row split, the block of A in the column split.
        public float* SharedPanel;
        public float* OwnPanels;
        public long OwnPanelFloats;

        // Two tickets a phase: the next part to pack and the next part to multiply. Handing parts out as workers ask keeps
        // both busy when one loses its processor for a while; which worker computes a tile does not change its bits.
        public int* Tickets;

        // Workers that have come to a meeting so far, all meetings of the product counted together.
        public int Arrived;
    }

    private static void RunBlocked(
        CpuDevice cpu, in Operand a, in Operand b, float* c, long cStride, int m, int n, int k, bool accumulate)
    {
        var mark = cpu.Scratch.Mark();
        int workers = (long)m * n * k < MinimumParallelWork ? 1 : cpu.Workers.Count;
        bool splitColumns = PrefersColumnSplit(m, n, workers);
        int depth = DepthFor(k);
        int rowTiles = Tiles(m, TileRows);
        int chunkTiles = Math.Clamp(Tiles(rowTiles, 4 * workers), 1, MaximumChunkRows / TileRows);
        var job = new Job
        {
            A = a,
            B = b,
            C = c,
            CStride = cStride,
            M = m,
            N = n,
            K = k,
            Depth = depth,
            ChunkRows = chunkTiles * TileRows,
            Accumulate = accumulate,
        };
        long sharedLanes = splitColumns ? (long)rowTiles * TileRows : (long)Tiles(Math.Min(n, MaximumPanelColumns), TileColumns) * TileColumns;
        job.OwnPanelFloats = (long)depth * (splitColumns ? TileColumns : job.ChunkRows);
        int phases = Tiles(k, depth) * (splitColumns ? 1 : Tiles(n, MaximumPanelColumns));
        job.SharedPanel = cpu.Scratch.Floats(sharedLanes * depth);
        job.OwnPanels = cpu.Scratch.Floats(job.OwnPanelFloats * workers);
        job.Tickets = (int*)cpu.Scratch.AllocateZeroed(2L * phases * sizeof(int));
        delegate*<void*, int, int, void> body = splitColumns ? &ColumnSplitBody : &RowSplitBody;
        if (workers == 1)
        {
            body(&job, 0, 1);
        }
        else
        {
            cpu.Workers.Run(body, &job);
        }

        cpu.Scratch.Release(mark);
    }

    /// <summary>Sums a pass: equal parts of k no longer than the maximum; a function of k only, which fixes the order of sums.</summary>
    private static int DepthFor(int k) => Math.Min(k, (Tiles(k, Tiles(k, MaximumDepth)) + 15) & ~15);

    private static int Tiles(int count, int tile) => (int)(((long)count + tile - 1) / tile);

    private static bool PrefersColumnSplit(int m, int n, int workers)
    {
        if (m > MaximumColumnSplitRows)
        {
            return false;
        }

        long byColumns = (long)Tiles(Tiles(n, TileColumns), workers) * TileColumns * Tiles(m, TileRows) * TileRows;
        long byRows = (long)Tiles(Tiles(m, TileRows), workers) * TileRows * Tiles(n, TileColumns) * TileColumns;
        return byColumns <= byRows;
    }

    /// <summary>All pack a panel of B together, then take chunks of rows, pack those of A and multiply.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RowSplitBody(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        float* own = job->OwnPanels + (worker * job->OwnPanelFloats);
        int* tickets = job->Tickets;
        int meetings = 0;
        for (int column = 0; column < job->N; column += MaximumPanelColumns)
        {
            int columns = Math.Min(MaximumPanelColumns, job->N - column);
            for (int start = 0; start < job->K; start += job->Depth, tickets += 2)
            {
                int depth = Math.Min(job->Depth, job->K - start);
                PackTogether(job->B, column, columns, start, depth, job->SharedPanel, TileColumns, workers, tickets);
                Meet(job, workers, ++meetings);

                int row;
                while ((row = (Interlocked.Increment(ref tickets[1]) - 1) * job->ChunkRows) < job->M)
                {
                    int rows = Math.Min(job->ChunkRows, job->M - row);
                    Pack(job->A, row, rows, start, depth, own, TileRows);
                    float* c = job->C + (row * job->CStride) + column;
                    MultiplyPanels(own, job->SharedPanel, c, job->CStride, rows, columns, depth, job->Accumulate || start > 0);
                }

                Meet(job, workers, ++meetings);
            }
        }
    }

    /// <summary>All pack the rows of A together, then take strips of columns, pack those of B and multiply.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ColumnSplitBody(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        float* own = job->OwnPanels + (worker * job->OwnPanelFloats);
        int* tickets = job->Tickets;
        int meetings = 0;
        for (int start = 0; start < job->K; start += job->Depth, tickets += 2)
        {
            int depth = Math.Min(job->Depth, job->K - start);
            PackTogether(job->A, 0, job->M, start, depth, job->SharedPanel, TileRows, workers, tickets);
            Meet(job, workers, ++meetings);

            int column;
            while ((column = (Interlocked.Increment(ref tickets[1]) - 1) * TileColumns) < job->N)
            {
                int columns = Math.Min(TileColumns, job->N - column);
                Pack(job->B, column, columns, start, depth, own, TileColumns);
                float* c = job->C + column;
                MultiplyPanels(job->SharedPanel, own, c, job->CStride, job->M, columns, depth, job->Accumulate || start > 0);
            }

            Meet(job, workers, ++meetings);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTogether(
        in Operand operand, int lane, int lanes, int start, int depth, float* panel, int width, int workers, int* ticket)
    {
        // Four strips a ticket where there are plenty: longer runs of the source for operands that are copied.
        int strips = Tiles(lanes, width);
        int part = (strips >= 8 * workers ? 4 : 1) * width;
        int offset;
        while ((offset = (Interlocked.Increment(ref *ticket) - 1) * part) < lanes)
        {
            Pack(operand, lane + offset, Math.Min(part, lanes - offset), start, depth, panel + ((long)offset * depth), width);
        }
    }

    /// <summary>Waits until all workers have come to meeting number <paramref name="meeting"/>, counted from 1.</summary>
    private static void Meet(Job* job, int workers, int meeting)
    {
        // A count that only grows needs no resetting and no pool, which a body that sees raw memory only cannot reach.
        if (workers == 1 || Interlocked.Increment(ref job->Arrived) == meeting * workers)
        {
            return;
        }

        var spinner = default(SpinWait);
        for (int spins = 0; Volatile.Read(ref job->Arrived) < meeting * workers; spins++)
        {
            if (spins < SpinsBeforeYielding)
            {
                Thread.SpinWait(1);
            }
            else
            {
                spinner.SpinOnce(-1);
            }
        }
    }

    /// <summary>C tile by tile from packed strips: a strip of B stays near while the strips of A pass by.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyPanels(
        float* a, float* b, float* c, long cStride, int rows, int columns, int depth, bool accumulate)
    {
        float* scratch = stackalloc float[TileRows * TileColumns];
        for (int j = 0; j < columns; j += TileColumns, b += (long)depth * TileColumns)
        {
            float* strip = a;
            for (int i = 0; i < rows; i += TileRows, strip += (long)depth * TileRows)
            {
                float* tile = c + (i * cStride) + j;
                if (i + TileRows <= rows && j + TileColumns <= columns)
                {
                    MultiplyTile(strip, b, tile, cStride, depth, accumulate);
                }
                else
                {
                    MultiplyTile(strip, b, scratch, TileColumns, depth, false);
                    MergeTile(scratch, tile, cStride, Math.Min(TileRows, rows - i), Math.Min(TileColumns, columns - j), accumulate);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyTile(float* a, float* b, float* c, long cStride, int depth, bool accumulate)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Tile12x32(a, b, c, cStride, depth, accumulate);
        }
        else if (HasFused256)
        {
            Tile4x24(a, b, c, cStride, depth, accumulate);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Tile4x8(a, b, c, cStride, depth, accumulate);
        }
        else
        {
            TileScalar(a, b, c, cStride, depth, accumulate);
        }
    }

    /// <summary>Moves the valid part of a tile from scratch to C.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MergeTile(float* tile, float* c, long cStride, int rows, int columns, bool accumulate)
    {
        for (int i = 0; i < rows; i++, tile += TileColumns, c += cStride)
        {
            int j = 0;
            for (; j + 4 <= columns; j += 4)
            {
                Vector128<float> value = Vector128.Load(tile + j);
                (accumulate ? Vector128.Load(c + j) + value : value).Store(c + j);
            }

            for (; j < columns; j++)
            {
                c[j] = accumulate ? c[j] + tile[j] : tile[j];
            }
        }
    }
}
