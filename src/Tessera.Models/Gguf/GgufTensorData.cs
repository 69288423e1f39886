using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;

namespace Tessera.Models.Gguf;

/// <summary>Turns weights into the bytes of a file, some rows at a time, in the order and the type that the file wants.</summary>
/// <param name="architecture">Decides which rows are reordered.</param>
/// <param name="headDim">Elements of a head, the rows that are reordered together.</param>
internal sealed unsafe class GgufTensorData(string architecture, int headDim) : IDisposable
{
    // What is in memory beside the model: at most this many elements in each of three forms, or one row or head of them.
    private const long ChunkElements = 1L << 21;

    private readonly CpuDevice _device = new();
    private readonly Arena _arena = new("gguf chunk");

    /// <summary>A small f32 tensor that is no weight.</summary>
    public static GgufTensorToWrite Of(string name, long[] shape, float[] values) =>
        new(name, GgufTensorType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.AsSpan())));

    /// <summary>A gain of ones.</summary>
    public static GgufTensorToWrite Ones(string name, int length) => Of(name, [length], [.. Enumerable.Repeat(1f, length)]);

    /// <summary>A matrix of zeros, as F16: that is read everywhere, and zero is zero.</summary>
    public static GgufTensorToWrite Zeros(string name, long[] shape) =>
        new(name, GgufTensorType.F16, shape, stream => stream.Write(new byte[shape[0] * shape[1] * sizeof(ushort)]));

    /// <summary>Writes a weight.</summary>
    public void Write(Stream stream, WeightSlice slice, GgufTensorType type)
    {
        int columns = slice.Parameter.Columns;
        int unit = GgufNames.IsReordered(architecture, slice.Name) ? headDim : 1;
        int step = checked((int)Math.Max(unit, ChunkElements / columns / unit * unit));
        for (int row = 0; row < slice.Rows; row += step)
        {
            MatrixView rows = slice.Parameter.RowsView(slice.RowStart + row, Math.Min(step, slice.Rows - row));
            slice.Parameter.Memory.Read(rows.Address, rows.Type.MatrixBytes(rows.Rows, rows.Columns), room =>
            {
                MatrixView onHost = rows with { Address = room };
                Convert(stream, unit > 1 ? Reordered(onHost) : onHost, type);
            });
            _arena.Reset();
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    private MatrixView Reordered(MatrixView rows)
    {
        long rowBytes = (long)rows.Columns * rows.Type.Bytes();
        var target = (byte*)_arena.Allocate(rows.Rows * rowBytes);
        for (int row = 0; row < rows.Rows; row += headDim)
        {
            RotaryPairs.ToNeighbours((byte*)rows.Address + (row * rowBytes), target + (row * rowBytes), headDim, rowBytes);
        }

        return rows with { Address = (nint)target };
    }

    private void Convert(Stream stream, MatrixView rows, GgufTensorType type)
    {
        long count = (long)rows.Rows * rows.Columns, bytes = count / type.BlockElements() * type.BlockBytes();
        if ((rows.Type, type) is (DType.F32, GgufTensorType.F32) or (DType.BF16, GgufTensorType.BF16))
        {
            WriteBytes(stream, (byte*)rows.Address, bytes);
            return;
        }

        float* wide = rows.Floats;
        if (rows.Type == DType.BF16)
        {
            wide = _arena.Floats(count);
            Conversion.FromBf16(_device, rows.Halves, wide, count);
        }

        if (type == GgufTensorType.F32)
        {
            WriteBytes(stream, (byte*)wide, bytes);
            return;
        }

        var target = (byte*)_arena.Allocate(bytes);
        switch (type)
        {
            case GgufTensorType.F16:
                Conversion.ToF16(_device, wide, (ushort*)target, count);
                break;
            case GgufTensorType.BF16:
                Conversion.ToBf16(_device, wide, (ushort*)target, count);
                break;
            default:
                BlockQuantization.Quantize(_device, type == GgufTensorType.Q8 ? BlockFormat.Q8 : BlockFormat.Q4, wide, target, count);
                break;
        }

        WriteBytes(stream, target, bytes);
    }

    private static void WriteBytes(Stream stream, byte* bytes, long count)
    {
        const int Most = 1 << 30;
        for (long done = 0; done < count; done += Most)
        {
            stream.Write(new ReadOnlySpan<byte>(bytes + done, (int)Math.Min(Most, count - done)));
        }
    }
}
