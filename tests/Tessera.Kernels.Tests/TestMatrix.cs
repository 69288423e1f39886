using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.Kernels.Tests;

/// <summary>
/// Unit Gaussians in f32 or bf16, rows a chosen distance apart, the gaps and the surroundings NaN: a kernel that reads
/// beyond its operand spoils its result.
/// </summary>
public sealed unsafe class TestMatrix : IDisposable
{
    private const int Guard = 64;
    private readonly void* _block;

    public TestMatrix(int rows, int columns, DType type, int seed, int padding = 0, int misalignment = 0)
    {
        long stride = columns + padding;
        long elements = (rows * stride) + (2 * Guard) + misalignment;
        _block = NativeMemory.AlignedAlloc((nuint)(elements * type.Bytes()), 64);
        NativeMemory.Fill(_block, (nuint)(elements * type.Bytes()), 0xFF);
        nint first = (nint)_block + ((Guard + misalignment) * type.Bytes());
        View = new MatrixView(first, type, rows, columns, stride);
        var random = new CounterRandom((ulong)seed, 0x6E44);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                Set(i, j, random.NextGaussian());
            }
        }
    }

    public MatrixView View { get; }

    /// <summary>
    /// The bound on a relative L2 error of sums of <paramref name="terms"/> products of unit Gaussians, each about √terms in
    /// size: raised where so few sums were taken that they happen to cancel.
    /// </summary>
    public static double BoundFor(double[] expected, int terms, double bound)
    {
        double norm = Math.Sqrt(expected.Sum(value => value * value));
        return norm == 0 ? bound : bound * Math.Max(1, Math.Sqrt((double)expected.Length * terms) / norm);
    }

    public void Dispose() => NativeMemory.AlignedFree(_block);

    private void Set(int row, int column, float value)
    {
        long index = (row * View.Stride) + column;
        if (View.Type == DType.BF16)
        {
            View.Halves[index] = Bf16.Round(value);
        }
        else
        {
            View.Floats[index] = value;
        }
    }
}
