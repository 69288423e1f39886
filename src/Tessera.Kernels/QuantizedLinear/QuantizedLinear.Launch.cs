using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    private const int TileRows = DTypes.TileRows;

    // A quarter of the second-level cache of current servers for the tokens that meet a row tile.
    private const long PanelBytes = 512L << 10;

    // Columns that a panel holds at most where it must be cut: 128 groups of 6 tokens are 30 KiB.
    private const int PanelGroups = 128;

    // A tile's columns that stay in the first-level cache while the panel's blocks pass: 17 KiB of int8.
    private const int CachedGroups = 32;

    // Groups that a block asks for ahead at once: more lines than a core fetches at a time would make it wait. A single block of
    // fewer than 6 tokens asks in its kernel.
    private const int StreamedGroups = 8;

    // Below this many multiply-adds a fork-join costs more than it saves.
    private const long MinimumParallelWork = 1L << 16;

    // Tokens' elements that the caller rounds faster than the workers meet.
    private const long SharedRounding = 1L << 14;

    // As for other weights: up to this size each worker keeps its own rows in its cache; beyond, rows are handed out.
    private const long LargestCachedBytes = 8L << 20;

    /// <summary>What the workers share; lives on the stack of the launching thread.</summary>
    private struct Job
    {
        public float* Input;
        public long InputStride;
        public MatrixView Weight;
        public float* Output;
        public long OutputStride;
        public TokenBlocks Tokens;
        public float* Sums;
        public long SumsPerWorker;
        public bool Accumulate;
        public bool HandsOut;
        public int PanelBlocks;
        public int PanelGroups;
        public int Panels;
        public int PartTiles;
        public int Parts;
        public int Ticket;
    }

    private static void Launch(
        CpuDevice cpu, float* input, long inputStride, in MatrixView weight, float* output, long outputStride, int tokens,
        bool accumulate)
    {
        var mark = cpu.Scratch.Mark();
        var blocks = new TokenBlocks((byte*)cpu.Scratch.Allocate(TokenBlocks.Bytes(tokens, weight.Columns)), tokens, weight.Columns);
        int workers = (long)tokens * weight.Rows * weight.Columns < MinimumParallelWork ? 1 : cpu.Workers.Count;
        var job = new Job
        {
            Input = input,
            InputStride = inputStride,
            Weight = weight,
            Output = output,
            OutputStride = outputStride,
            Tokens = blocks,
            Accumulate = accumulate,
            HandsOut = weight.Type.MatrixBytes(weight.Rows, weight.Columns) > LargestCachedBytes || tokens > TokenBlocks.Width,
        };
        CutPanels(ref job, workers);
        job.SumsPerWorker = (long)job.PanelBlocks * TokenBlocks.Width * TileRows;
        job.Sums = cpu.Scratch.Floats(job.SumsPerWorker * workers);
        if (workers == 1)
        {
            RoundBody(&job, 0, 1);
            Body(&job, 0, 1);
        }
        else
        {
            if ((long)tokens * weight.Columns < SharedRounding)
            {
                RoundBody(&job, 0, 1);
            }
            else
            {
                cpu.Workers.Run(&RoundBody, &job);
            }

            cpu.Workers.Run(&Body, &job);
        }

        cpu.Scratch.Release(mark);
    }

    private static int OffsetOf(DType type) => type == DType.Int8 ? GroupedMatrix.Int8Offset : GroupedMatrix.Int4Offset;

    /// <summary>Chooses how many tokens and columns meet a range of rows at once, and how many rows a part has.</summary>
    private static void CutPanels(ref Job job, int workers)
    {
        int blocks = job.Tokens.Count, tiles = (job.Weight.Rows + TileRows - 1) / TileRows;
        long recordBytes = TokenBlocks.RecordBytes(TokenBlocks.Width);
        job.PanelGroups = Math.Max(job.Tokens.Groups, 1);
        job.PanelBlocks = blocks;
        if (blocks * job.PanelGroups * recordBytes > PanelBytes)
        {
            // An output that is added to is read once, at the end: its sum must not be cut.
            job.PanelGroups = job.Accumulate ? job.PanelGroups : Math.Min(job.PanelGroups, PanelGroups);
            job.PanelBlocks = (int)Math.Clamp(PanelBytes / (job.PanelGroups * recordBytes), 1, blocks);
        }

        job.Panels = (blocks + job.PanelBlocks - 1) / job.PanelBlocks;
        job.PanelBlocks = (blocks + job.Panels - 1) / job.Panels;

        // Eight parts a worker: small enough to even out a worker that lost its processor.
        job.PartTiles = Math.Max(1, tiles / (8 * workers));
        job.Parts = (tiles + job.PartTiles - 1) / job.PartTiles;
    }

    private static void RoundBody(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        job->Tokens.Fill(job->Input, job->InputStride, OffsetOf(job->Weight.Type), worker, workers);
    }

    private static void Body(void* context, int worker, int workers)
    {
        Job* job = (Job*)context;
        float* sums = job->Sums + (worker * job->SumsPerWorker);
        int tiles = (job->Weight.Rows + TileRows - 1) / TileRows;
        if (!job->HandsOut)
        {
            var (start, end) = WorkerPool.Share(tiles, worker, workers);
            for (int panel = 0; panel < job->Panels; panel++)
            {
                Part(job, panel, start, end, sums);
            }

            return;
        }

        for (int ticket; (ticket = Interlocked.Increment(ref job->Ticket) - 1) < job->Panels * job->Parts;)
        {
            int first = ticket % job->Parts * job->PartTiles;
            Part(job, ticket / job->Parts, first, Math.Min(first + job->PartTiles, tiles), sums);
        }
    }

    /// <summary>A panel of tokens times tiles [first, end).</summary>
    private static void Part(Job* job, int panel, int first, int end, float* sums)
    {
        int firstBlock = panel * job->PanelBlocks, endBlock = Math.Min(firstBlock + job->PanelBlocks, job->Tokens.Count);
        int groups = job->Tokens.Groups, recordBytes = job->Weight.Type.TileGroupBytes();
        bool few = endBlock - firstBlock == 1 && job->Tokens.WidthOf(firstBlock) < TokenBlocks.Width;
        int cached = few ? int.MaxValue : Math.Min(CachedGroups, StreamedGroups * (endBlock - firstBlock));
        int group = 0;
        do
        {
            int panelEnd = Math.Min(group + job->PanelGroups, groups);
            for (int tile = first; tile < end; tile++)
            {
                StartSums(job, tile, firstBlock, endBlock, sums, group > 0);
                byte* weights = (byte*)job->Weight.Address + ((long)tile * groups * recordBytes);
                for (int from = group; from < panelEnd;)
                {
                    int count = Math.Min(cached, panelEnd - from);
                    byte* ahead = weights + ((long)(from + count) * recordBytes);
                    long share = few ? 0 : (long)count * recordBytes / (endBlock - firstBlock);
                    for (int block = firstBlock; block < endBlock; block++, ahead += share)
                    {
                        for (byte* line = ahead; line < ahead + share; line += 64)
                        {
                            VectorMath.Prefetch((float*)line);
                        }

                        float* blockSums = sums + ((block - firstBlock) * TokenBlocks.Width * TileRows);
                        Multiply(
                            job->Weight.Type, job->Tokens.WidthOf(block), weights + ((long)from * recordBytes),
                            job->Tokens.Record(block, from), count, blockSums);
                    }

                    from += count;
                }

                StoreSums(job, tile, firstBlock, endBlock, sums);
            }

            group = panelEnd;
        }
        while (group < groups);
    }

    /// <summary>Zeros, or what earlier groups left in the output.</summary>
    private static void StartSums(Job* job, int tile, int firstBlock, int endBlock, float* sums, bool continues)
    {
        NativeMemory.Clear(sums, (nuint)((endBlock - firstBlock) * TokenBlocks.Width * TileRows * sizeof(float)));
        if (!continues)
        {
            return;
        }

        int rows = Math.Min(TileRows, job->Weight.Rows - (tile * TileRows));
        for (int block = firstBlock; block < endBlock; block++)
        {
            for (int t = 0; t < job->Tokens.TokensOf(block); t++, sums += TileRows)
            {
                float* y = job->Output + (((block * TokenBlocks.Width) + t) * job->OutputStride) + (tile * TileRows);
                Unsafe.CopyBlockUnaligned(sums, y, (uint)(rows * sizeof(float)));
            }
        }
    }

    private static void StoreSums(Job* job, int tile, int firstBlock, int endBlock, float* sums)
    {
        int rows = Math.Min(TileRows, job->Weight.Rows - (tile * TileRows));
        for (int block = firstBlock; block < endBlock; block++)
        {
            for (int t = 0; t < job->Tokens.TokensOf(block); t++, sums += TileRows)
            {
                float* y = job->Output + (((block * TokenBlocks.Width) + t) * job->OutputStride) + (tile * TileRows);
                if (job->Accumulate)
                {
                    Vector512<float> before = rows == TileRows ? Vector512.Load(y) : VectorMath.LoadPart(y, rows);
                    (before + Vector512.Load(sums)).Store(sums);
                }

                Unsafe.CopyBlockUnaligned(y, sums, (uint)(rows * sizeof(float)));
            }
        }
    }
}
