using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>A matrix of E4M3 with a scale a row between guard bytes, in the processor's memory.</summary>
public sealed unsafe class Fp8TestMatrix : IDisposable
{
    private const int Guard = 4096;
    private const byte GuardByte = 0xA5;
    private static readonly CpuDevice Device = new(1);
    private readonly byte* _block;
    private readonly int _bytes;

    public Fp8TestMatrix(int rows, int columns)
    {
        _bytes = checked((int)DType.FP8.MatrixBytes(rows, columns));
        _block = (byte*)NativeMemory.AlignedAlloc((nuint)(_bytes + (2 * Guard)), 64);
        NativeMemory.Fill(_block, (nuint)(_bytes + (2 * Guard)), GuardByte);
        View = new MatrixView((nint)(_block + Guard), DType.FP8, rows, columns);
    }

    public MatrixView View { get; }

    public ReadOnlySpan<byte> Bytes => new(_block + Guard, _bytes);

    public ReadOnlySpan<float> Scales => new((float*)View.Scales, View.Rows);

    public static Fp8TestMatrix Gaussian(int rows, int columns, int seed)
    {
        var matrix = new Fp8TestMatrix(rows, columns);
        using var values = GuardedFloats.Random((long)rows * columns, seed);
        matrix.Store(values, 0, rows);
        return matrix;
    }

    /// <summary>Rows of <paramref name="values"/>, which hold the whole matrix.</summary>
    public void Store(GuardedFloats values, int firstRow, int rows) => Fp8Matrix.Store(
        Device, View, firstRow, rows, values.Pointer + ((long)firstRow * View.Columns), View.Columns);

    public ReadOnlySpan<byte> Row(int row) => Bytes.Slice(row * (int)View.Stride, (int)View.Stride);

    public float[] Values()
    {
        var values = new float[View.Rows * View.Columns];
        fixed (float* pointer = values)
        {
            Fp8Matrix.Load(Device, View, 0, View.Rows, pointer, View.Columns);
        }

        return values;
    }

    public void Dispose()
    {
        Assert.True(new ReadOnlySpan<byte>(_block, Guard).IndexOfAnyExcept(GuardByte) < 0, "wrote before the matrix");
        Assert.True(new ReadOnlySpan<byte>(_block + Guard + _bytes, Guard).IndexOfAnyExcept(GuardByte) < 0, "wrote behind the matrix");
        NativeMemory.AlignedFree(_block);
    }
}
