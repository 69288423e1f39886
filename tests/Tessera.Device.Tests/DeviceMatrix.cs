using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

/// <summary>
/// A row-major matrix in a card's memory whose rows may lie apart: what lies between them belongs to nobody, and a kernel that writes
/// there is found out like one that writes beyond the ends.
/// </summary>
internal sealed class DeviceMatrix : IDisposable
{
    private readonly DeviceBuffer _buffer;
    private readonly float[] _before;

    /// <summary>Unit Gaussians times <paramref name="scale"/>, between the rows as well, rounded to the type.</summary>
    public DeviceMatrix(CudaDevice device, DType type, int rows, int columns, int seed, int gap = 0, int misalignment = 0, float scale = 1f)
    {
        (Rows, Columns, Stride) = (rows, columns, columns + gap);
        _buffer = DeviceBuffer.Random(device, type, rows * Stride, seed, scale, misalignment);
        _before = _buffer.Read();
    }

    public int Rows { get; }

    public int Columns { get; }

    public long Stride { get; }

    public Elements Elements => _buffer.Elements;

    public MatrixView View => new(_buffer.Address, _buffer.Type, Rows, Columns, Stride);

    /// <summary>What the matrix held when it was made, densely: rounded to the type, so the inputs that a kernel saw.</summary>
    public float[] Before => Dense(_before);

    /// <summary>The elements, densely; fails if anything outside them changed.</summary>
    public float[] Read()
    {
        float[] now = _buffer.Read();
        for (long i = 0; i < now.Length; i++)
        {
            if (i % Stride >= Columns && BitConverter.SingleToInt32Bits(now[i]) != BitConverter.SingleToInt32Bits(_before[i]))
            {
                Assert.Fail($"wrote behind row {i / Stride}");
            }
        }

        return Dense(now);
    }

    public void Dispose() => _buffer.Dispose();

    private float[] Dense(float[] values)
    {
        float[] dense = new float[Rows * Columns];
        for (int r = 0; r < Rows; r++)
        {
            values.AsSpan((int)(r * Stride), Columns).CopyTo(dense.AsSpan(r * Columns));
        }

        return dense;
    }
}
