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

    // Rows up to which A is packed once for all and the columns are split: B then never leaves the nearest cache between being
    // packed and used. 512 x 2048 x 2048 went from 0.70 to 0.82 of the peak; beyond, or with fewer columns than rows, A is too
    // large to be read again for every strip.
    private const int MaximumColumnSplitRows = 768;
    private const int AlwaysColumnSplitRows = 384;

    // Columns of B packed at a time in the row split; a multiple of all tile widths.
    private const int MaximumPanelColumns = 3072;

    // Floats of what all workers pack before they multiply: 2 Mi (8 MiB) of B in the row split, 1 Mi of A in the column split.
    private const long MaximumSharedB = 2L << 20;
    private const long MaximumSharedA = 1L << 20;

    // Below this many multiply-adds a fork-join costs more than it saves.
    private const long MinimumParallelWork = 1L << 17;

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

        // B packed beforehand, or null.
        public float* PackedB;

        // Packed by all workers together: columns of B in the row split, the rows of A in the column split.
        public float* Shared;
        public float* Own;
        public long OwnFloats;

        // Columns and sums of one phase: what is packed together, then multiplied without another meeting.
        public int PhaseColumns;
        public int PhaseSums;

        // Two tickets a phase: the next part to pack and the next part to multiply. Handing parts out as workers ask keeps
        // both busy when one loses its processor for a while; which worker computes a tile does not change its bits.
        public int* Tickets;

        // Workers that have come to a meeting so far.
        public int* Arrived;
    }

    private static void RunBlocked(
        CpuDevice cpu, in Operand a, in Operand b, float* packedB, float* c, long cStride, int m, int n, int k, bool accumulate)
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
            PackedB = packedB,
            C = c,
            CStride = cStride,
            M = m,
            N = n,
            K = k,
            Depth = depth,
            ChunkRows = chunkTiles * TileRows,
            Accumulate = accumulate,
        };

        // What is shared has a size of its own, so that as many passes as fit are packed in one go: every meeting costs the
        // time that the slower worker is behind.
        job.PhaseColumns = splitColumns ? n : Math.Min(n, MaximumPanelColumns);
        long lanes = splitColumns ? (long)rowTiles * TileRows : (long)Tiles(job.PhaseColumns, TileColumns) * TileColumns;
        long limit = splitColumns ? MaximumSharedA : MaximumSharedB;
        job.PhaseSums = (int)Math.Min(k, Math.Max(1, limit / (lanes * depth)) * depth);
        bool sharesNothing = !splitColumns && packedB != null;
        if (sharesNothing)
        {
            job.PhaseSums = k;
        }

        job.OwnFloats = (long)depth * (splitColumns ? TileColumns : job.ChunkRows);
        int phases = Tiles(k, job.PhaseSums) * Tiles(n, job.PhaseColumns);
        job.Shared = sharesNothing ? null : cpu.Scratch.Floats(lanes * job.PhaseSums);
        job.Own = cpu.Scratch.Floats(job.OwnFloats * workers);
        job.Arrived = (int*)cpu.Scratch.AllocateZeroed(sizeof(int));
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
        if (m > MaximumColumnSplitRows || (m > AlwaysColumnSplitRows && n < m))
        {
            return false;
        }

        long byColumns = (long)Tiles(Tiles(n, TileColumns), workers) * TileColumns * Tiles(m, TileRows) * TileRows;
        long byRows = (long)Tiles(Tiles(m, TileRows), workers) * TileRows * Tiles(n, TileColumns) * TileColumns;
        return byColumns <= byRows;
    }

    /// <summary>All pack columns of B together, then take chunks of rows, pack those of A and multiply, pass after pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RowSplitBody(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        float* own = job->Own + (worker * job->OwnFloats);
        int* tickets = job->Tickets;
        int meetings = 0;
        for (int column = 0; column < job->N; column += job->PhaseColumns)
        {
            int columns = Math.Min(job->PhaseColumns, job->N - column);
            for (int phase = 0; phase < job->K; phase += job->PhaseSums, tickets += 2)
            {
                int end = Math.Min(phase + job->PhaseSums, job->K);
                if (job->PackedB == null)
                {
                    PackTogether(job->B, column, columns, phase, end, job->Depth, job->Shared, TileColumns, workers, tickets);
                    WorkerPool.Meet(job->Arrived, workers, ++meetings);
                }

                int row;
                while ((row = (Interlocked.Increment(ref tickets[1]) - 1) * job->ChunkRows) < job->M)
                {
                    int rows = Math.Min(job->ChunkRows, job->M - row);
                    for (int start = phase; start < end; start += job->Depth)
                    {
                        int depth = Math.Min(job->Depth, end - start);
                        Pack(job->A, row, rows, start, depth, own, TileRows);
                        float* b = job->PackedB != null
                            ? Strip(job->PackedB, job->N, column, start, depth, TileColumns)
                            : Strip(job->Shared, columns, 0, start - phase, depth, TileColumns);
                        float* c = job->C + (row * job->CStride) + column;
                        MultiplyPanels(own, b, c, job->CStride, rows, columns, depth, job->Accumulate || start > 0);
                    }
                }

                // The next phase overwrites what is shared, and adds to the same C where sums are cut.
                if (job->PackedB == null)
                {
                    WorkerPool.Meet(job->Arrived, workers, ++meetings);
                }
            }
        }
    }

    /// <summary>All pack the rows of A together, then take strips of columns, pack those of B and multiply, pass after pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ColumnSplitBody(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        float* own = job->Own + (worker * job->OwnFloats);
        int* tickets = job->Tickets;
        int meetings = 0;
        for (int phase = 0; phase < job->K; phase += job->PhaseSums, tickets += 2)
        {
            int end = Math.Min(phase + job->PhaseSums, job->K);
            PackTogether(job->A, 0, job->M, phase, end, job->Depth, job->Shared, TileRows, workers, tickets);
            WorkerPool.Meet(job->Arrived, workers, ++meetings);

            int column;
            while ((column = (Interlocked.Increment(ref tickets[1]) - 1) * TileColumns) < job->N)
            {
                int columns = Math.Min(TileColumns, job->N - column);
                for (int start = phase; start < end; start += job->Depth)
                {
                    int depth = Math.Min(job->Depth, end - start);
                    float* b = own;
                    if (job->PackedB != null)
                    {
                        b = Strip(job->PackedB, job->N, column, start, depth, TileColumns);
                    }
                    else
                    {
                        Pack(job->B, column, columns, start, depth, own, TileColumns);
                    }

                    float* a = Strip(job->Shared, job->M, 0, start - phase, depth, TileRows);
                    MultiplyPanels(a, b, job->C + column, job->CStride, job->M, columns, depth, job->Accumulate || start > 0);
                }
            }

            WorkerPool.Meet(job->Arrived, workers, ++meetings);
        }
    }

    /// <summary>
    /// Where the strip of <paramref name="lane"/> begins for the pass that starts at sum <paramref name="start"/>: passes lie one
    /// behind the other, within a pass strips of <paramref name="width"/> lanes, within a strip sums.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Strip(float* panels, int lanes, int lane, int start, int depth, int width) =>
        panels + ((long)Tiles(lanes, width) * width * start) + ((long)lane * depth);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTogether(
        in Operand operand, int lane, int lanes, int first, int end, int pass, float* panels, int width, int workers, int* ticket)
    {
        // Four strips a ticket where there are plenty: longer runs of the source for operands that are copied.
        int strips = Tiles(lanes, width);
        int part = (strips >= 8 * workers ? 4 : 1) * width;
        int parts = Tiles(lanes, part);
        int next;
        while ((next = Interlocked.Increment(ref *ticket) - 1) / parts * (long)pass < end - first)
        {
            int offset = next % parts * part;
            int start = next / parts * pass;
            int depth = Math.Min(pass, end - first - start);
            Pack(
                operand, lane + offset, Math.Min(part, lanes - offset), first + start, depth,
                Strip(panels, lanes, offset, start, depth, width), width);
        }
    }
}
