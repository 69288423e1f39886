using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>How kernels over rows are cut for a card: the numbers that <c>rows.cuh</c> is specialised by.</summary>
internal static class CudaRows
{
    /// <summary>Neighbours that move together where 16-byte accesses are possible.</summary>
    public const int WidePack = 8;

    /// <summary>Threads of a block whose kernel lets a thread walk down a few columns.</summary>
    public const int ColumnThreads = 128;

    private const int AccessBytes = 16;

    /// <summary>Blocks a multiprocessor that are enough to keep memory busy.</summary>
    private const int BlocksOfMultiprocessor = 64;

    /// <summary>
    /// 8 where all rows begin at a multiple of 16 bytes: <paramref name="columns"/> is a divisor of the width and the strides.
    /// Else 1.
    /// </summary>
    public static int Pack(long columns, params ReadOnlySpan<nint> addresses)
    {
        bool wide = columns % WidePack == 0;
        foreach (nint address in addresses)
        {
            wide &= address % AccessBytes == 0;
        }

        return wide ? WidePack : 1;
    }

    /// <summary>Fails unless elements that a kernel treats alike are stored alike.</summary>
    public static void CheckAlike(string operation, Elements one, Elements other)
    {
        if (one.Exists && other.Exists && one.Type != other.Type)
        {
            throw new ArgumentException($"{operation}: {one.Type.Label()} and {other.Type.Label()} where one type was expected");
        }
    }

    /// <summary>The number of the elements' type in device code.</summary>
    /// <exception cref="ArgumentException">Device code has no such elements.</exception>
    public static int Code(Elements elements) => Code(elements.Type);

    /// <summary>The number of an element type in device code.</summary>
    /// <exception cref="ArgumentException">Device code has no such elements.</exception>
    public static int Code(DType type) => type is DType.F32 or DType.BF16
        ? (int)type
        : throw new ArgumentException($"kernels work on f32 and bf16, not on {type.Label()}");

    /// <summary>The grid of a kernel whose threads own columns and walk down rows: (columns, rows that are begun at once).</summary>
    public static CudaExtent ColumnGrid(CudaDevice cuda, int rows, int columns, int pack)
    {
        int across = Divide(columns, ColumnThreads * pack);
        return new CudaExtent(across, Math.Min(rows, Math.Max(1, MostBlocks(cuda) / across)));
    }

    /// <summary>As many blocks as keep a card busy, for kernels whose threads go on with the next piece.</summary>
    public static int MostBlocks(CudaDevice cuda) => cuda.Multiprocessors * BlocksOfMultiprocessor;

    /// <summary>Threads (x, y) of a block in which x threads share a row of <paramref name="units"/> pieces, and y rows share the block.</summary>
    public static CudaExtent RowThreads(int units)
    {
        const int threads = 256;
        int across = Math.Min(threads, PowerOfTwo(units));
        return new CudaExtent(across, threads / across);
    }

    /// <summary>Pieces of <paramref name="size"/> that cover <paramref name="count"/>.</summary>
    public static int Divide(long count, long size) => checked((int)((count + size - 1) / size));

    /// <summary>The least power of two that is not below a number.</summary>
    public static int PowerOfTwo(int number) => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, number));

    /// <summary>How many threads share a row, and how much of it each keeps.</summary>
    /// <param name="Pack">Neighbours that move together.</param>
    /// <param name="Warps">Warps of a row.</param>
    /// <param name="Chunks">Packs that a thread keeps in registers.</param>
    public readonly record struct RowCut(int Pack, int Warps, int Chunks)
    {
        private const int LargestBlock = 32;
        private const int RowsOfSmallBlock = 4;

        /// <summary>Rows of a block.</summary>
        public int Rows => Warps == 1 ? RowsOfSmallBlock : 1;

        /// <summary>Threads of a block.</summary>
        public int Threads => Rows * Warps * 32;

        /// <summary>Few enough packs a thread for its registers, as long as a block is large enough for the row.</summary>
        /// <param name="width">Columns.</param>
        /// <param name="packs">Packs of a row that a thread keeps: more only if a block cannot hold the row otherwise, and no fewer, so that widths share a kernel.</param>
        /// <param name="addresses">First elements of what has such rows.</param>
        public static RowCut Of(int width, int packs, params ReadOnlySpan<nint> addresses)
        {
            int pack = CudaRows.Pack(width, addresses), units = Divide(width, pack), warps = 1;
            while (warps < LargestBlock && units > warps * 32 * packs)
            {
                warps *= 2;
            }

            return new RowCut(pack, warps, Math.Max(packs, PowerOfTwo(Divide(units, warps * 32))));
        }
    }
}
