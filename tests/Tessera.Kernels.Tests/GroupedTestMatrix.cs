using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.Kernels.Tests;

/// <summary>A matrix of int8 or int4 groups between guard bytes, filled from blocks or from unit Gaussians.</summary>
public sealed unsafe class GroupedTestMatrix : IDisposable
{
    private const int Guard = 4096;
    private const byte GuardByte = 0xA5;
    private static readonly CpuDevice Device = new(2);
    private readonly byte* _block;
    private readonly long _bytes;

    public GroupedTestMatrix(int rows, int columns, DType type)
    {
        _bytes = type.MatrixBytes(rows, columns);
        _block = (byte*)NativeMemory.AlignedAlloc((nuint)(_bytes + (2 * Guard)), 64);
        NativeMemory.Fill(_block, (nuint)(_bytes + (2 * Guard)), GuardByte);
        View = new MatrixView((nint)(_block + Guard), type, rows, columns);
        GroupedMatrix.ClearLastTile(HostMemory.Instance, View);
    }

    public MatrixView View { get; }

    public ReadOnlySpan<byte> Bytes => new(_block + Guard, checked((int)_bytes));

    public static GroupedTestMatrix Gaussian(int rows, int columns, DType type, int seed)
    {
        var matrix = new GroupedTestMatrix(rows, columns, type);
        using var values = Tessera.TestSupport.GuardedFloats.Random((long)rows * columns, seed);
        GroupedMatrix.Store(Device, matrix.View, 0, rows, values.Pointer, columns);
        return matrix;
    }

    /// <summary>Every integer equally likely, scales around 0.01 of both signs.</summary>
    public static byte[] RandomBlocks(int rows, int columns, DType type, int seed)
    {
        int size = GroupedMatrix.BlockBytes(type);
        var blocks = new byte[rows * (columns / 32) * size];
        var random = new CounterRandom((ulong)seed, 0xB10C);
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = (byte)random.Next(256);
        }

        for (int i = 0; i < blocks.Length; i += size)
        {
            BitConverter.TryWriteBytes(blocks.AsSpan(i), (Half)(random.NextGaussian() * 0.01f));
        }

        return blocks;
    }

    public void StoreBlocks(byte[] blocks, int firstRow = 0, int? rows = null)
    {
        fixed (byte* pointer = blocks)
        {
            GroupedMatrix.StoreBlocks(Device, View, firstRow, rows ?? View.Rows, pointer);
        }
    }

    public byte[] LoadBlocks(int firstRow, int rows)
    {
        var blocks = new byte[rows * (View.Columns / 32) * GroupedMatrix.BlockBytes(View.Type)];
        fixed (byte* pointer = blocks)
        {
            GroupedMatrix.LoadBlocks(Device, View, firstRow, rows, pointer);
        }

        return blocks;
    }

    public float[] Load(int firstRow, int rows)
    {
        var values = new float[rows * View.Columns];
        fixed (float* pointer = values)
        {
            GroupedMatrix.Load(Device, View, firstRow, rows, pointer, View.Columns);
        }

        return values;
    }

    public void AssertGuardsIntact()
    {
        Assert.Equal(-1, new Span<byte>(_block, Guard).IndexOfAnyExcept(GuardByte));
        Assert.Equal(-1, new Span<byte>(_block + Guard + _bytes, Guard).IndexOfAnyExcept(GuardByte));
    }

    public void Dispose() => NativeMemory.AlignedFree(_block);
}
