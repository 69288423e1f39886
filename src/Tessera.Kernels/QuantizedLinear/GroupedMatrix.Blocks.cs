using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class GroupedMatrix
{
    /// <summary>Bytes of a group of 32 in a GGUF file: 34 for int8 (Q8_0), 18 for int4 (Q4_0).</summary>
    public static int BlockBytes(DType type) => type switch
    {
        DType.Int8 => 34,
        DType.Int4 => 18,
        _ => throw new ArgumentException($"{type.Label()} is not stored in blocks", nameof(type)),
    };

    /// <summary>Stores rows of GGUF blocks, without loss: Q8_0 into int8, Q4_0 into int4.</summary>
    /// <remarks>
    /// A block is a binary16 scale and 32 integers: Q8_0 signed bytes in order; Q4_0 16 bytes, the low nibble of byte j
    /// being element j and the high nibble element j + 16.
    /// Source: ggml's <c>block_q8_0</c> and <c>block_q4_0</c>.
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="matrix">The whole matrix; its columns a multiple of 32.</param>
    /// <param name="firstRow">First row to store, any.</param>
    /// <param name="rows">Rows to store.</param>
    /// <param name="blocks">[rows, columns / 32] blocks, any alignment.</param>
    /// <exception cref="InvalidDataException">A scale is infinite or not a number; the other rows are stored.</exception>
    /// <exception cref="ArgumentException">Rows outside the matrix, or a row that is not whole blocks.</exception>
    public static void StoreBlocks(Device device, in MatrixView matrix, int firstRow, int rows, byte* blocks)
    {
        CheckBlocks(matrix, firstRow, rows);
        int groups = Groups(matrix.Columns);
        long bad = Run(device, &StoreRowBlocks, matrix, firstRow, rows, blocks, (long)groups * BlockBytes(matrix.Type));
        if (bad != Transfer.Fine)
        {
            throw new InvalidDataException($"row {bad / groups}, block {bad % groups}: the scale is not a finite number");
        }
    }

    /// <summary>Rows as GGUF blocks, without loss: what <see cref="StoreBlocks"/> takes.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="matrix">The whole matrix; its columns a multiple of 32.</param>
    /// <param name="firstRow">First row, any.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="blocks">[rows, columns / 32] blocks, assigned.</param>
    /// <exception cref="ArgumentException">Rows outside the matrix, or a row that is not whole blocks.</exception>
    public static void LoadBlocks(Device device, in MatrixView matrix, int firstRow, int rows, byte* blocks)
    {
        CheckBlocks(matrix, firstRow, rows);
        Run(device, &LoadRowBlocks, matrix, firstRow, rows, blocks, (long)Groups(matrix.Columns) * BlockBytes(matrix.Type));
    }

    private static int StoreRowBlocks(in MatrixView matrix, int row, byte* blocks)
    {
        byte* integers = stackalloc byte[GroupSize];
        byte* place = RowPlace(matrix, row);
        int groups = Groups(matrix.Columns), inTile = row % TileRows;
        for (int g = 0; g < groups; g++, place += matrix.Type.TileGroupBytes(), blocks += BlockBytes(matrix.Type))
        {
            var scale = BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(blocks));
            if (!Half.IsFinite(scale))
            {
                return g;
            }

            UnpackBlock(matrix.Type, blocks + sizeof(ushort), integers);
            Scatter(matrix.Type, place, Vector256.Load(integers));
            *Scale(matrix.Type, place, inTile) = scale;
        }

        return -1;
    }

    private static int LoadRowBlocks(in MatrixView matrix, int row, byte* blocks)
    {
        byte* integers = stackalloc byte[GroupSize];
        byte* place = RowPlace(matrix, row);
        int groups = Groups(matrix.Columns), inTile = row % TileRows;
        for (int g = 0; g < groups; g++, place += matrix.Type.TileGroupBytes(), blocks += BlockBytes(matrix.Type))
        {
            Unsafe.WriteUnaligned(blocks, BitConverter.HalfToUInt16Bits(*Scale(matrix.Type, place, inTile)));
            Gather(matrix.Type, place, integers);
            PackBlock(matrix.Type, integers, blocks + sizeof(ushort));
        }

        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void UnpackBlock(DType type, byte* block, byte* integers)
    {
        for (int i = 0; i < GroupSize / 2; i += sizeof(ulong))
        {
            if (type == DType.Int8)
            {
                // Flipping the sign bit adds 128.
                *(ulong*)(integers + i) = Unsafe.ReadUnaligned<ulong>(block + i) ^ 0x8080_8080_8080_8080ul;
                *(ulong*)(integers + 16 + i) = Unsafe.ReadUnaligned<ulong>(block + 16 + i) ^ 0x8080_8080_8080_8080ul;
            }
            else
            {
                ulong pairs = Unsafe.ReadUnaligned<ulong>(block + i);
                *(ulong*)(integers + i) = pairs & 0x0F0F_0F0F_0F0F_0F0Ful;
                *(ulong*)(integers + 16 + i) = (pairs >> 4) & 0x0F0F_0F0F_0F0F_0F0Ful;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackBlock(DType type, byte* integers, byte* block)
    {
        for (int i = 0; i < GroupSize / 2; i += sizeof(ulong))
        {
            ulong first = *(ulong*)(integers + i), second = *(ulong*)(integers + 16 + i);
            if (type == DType.Int8)
            {
                Unsafe.WriteUnaligned(block + i, first ^ 0x8080_8080_8080_8080ul);
                Unsafe.WriteUnaligned(block + 16 + i, second ^ 0x8080_8080_8080_8080ul);
            }
            else
            {
                Unsafe.WriteUnaligned(block + i, first | (second << 4));
            }
        }
    }

    private static void CheckBlocks(in MatrixView matrix, int firstRow, int rows)
    {
        CheckRows(matrix, firstRow, rows);
        if (matrix.Columns % GroupSize != 0)
        {
            throw new ArgumentException($"a row of {matrix.Columns} columns is not whole blocks of {GroupSize}", nameof(matrix));
        }
    }
}
