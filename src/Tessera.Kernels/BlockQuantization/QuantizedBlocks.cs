using System.Runtime.CompilerServices;

namespace Tessera.Kernels;

/// <summary>A matrix stored in blocks, row-major and dense: scales and integers as they lie in memory. Does not own it.</summary>
/// <param name="Address">First block of the first row; any alignment.</param>
/// <param name="Format">How a block is stored.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Weights in a row, a multiple of <see cref="BlockFormats.BlockSize"/>.</param>
public readonly unsafe record struct QuantizedBlocks(nint Address, BlockFormat Format, long Rows, int Columns)
{
    /// <summary>Blocks in a row.</summary>
    public int BlocksPerRow => Columns / BlockFormats.BlockSize;

    /// <summary>Bytes of a row.</summary>
    public long RowBytes => (long)BlocksPerRow * Format.BlockBytes();

    /// <summary>The bytes of one block: the scale, then the integers.</summary>
    public byte* Block(long row, int block) => (byte*)Address + (row * RowBytes) + ((long)block * Format.BlockBytes());

    /// <summary>The scale of a block; exactly a binary16 value.</summary>
    public float Scale(long row, int block) => (float)Unsafe.ReadUnaligned<Half>(Block(row, block));

    /// <summary>The integer of a weight, by which the scale is multiplied: −128 to 127, or −8 to 7.</summary>
    public int Integer(long row, int column)
    {
        byte* integers = Block(row, column / BlockFormats.BlockSize) + sizeof(ushort);
        int index = column % BlockFormats.BlockSize;
        const int Half = BlockFormats.BlockSize / 2;
        return Format == BlockFormat.Q8_0
            ? (sbyte)integers[index]
            : (index < Half ? integers[index] & 0xF : integers[index - Half] >> 4) - BlockQuantization.FourBitZero;
    }

    /// <summary>Rows [start, start + count).</summary>
    public QuantizedBlocks RowsView(long start, long count) => this with { Address = Address + (nint)(start * RowBytes), Rows = count };
}
