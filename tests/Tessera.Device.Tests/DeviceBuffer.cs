using Tessera.Devices;

namespace Tessera.Device.Tests;

/// <summary>
/// Elements in a card's memory between guard zones, poisoned with NaN: a kernel that does not write all of its output, or writes
/// beyond it, is found out.
/// </summary>
internal sealed class DeviceBuffer : IDisposable
{
    private const int Guard = 64;
    private const uint Poison = 0x7FC5_7FC5;

    private readonly CudaDevice _device;
    private readonly Arena _arena;
    private readonly nint _block;
    private readonly int _misalignment;

    /// <summary>Poisoned elements, <paramref name="misalignment"/> elements behind an address that is a multiple of 64 bytes.</summary>
    public DeviceBuffer(CudaDevice device, DType type, long length, int misalignment = 0)
    {
        (_device, Type, Length, _misalignment) = (device, type, length, misalignment);
        _arena = device.CreateArena("test buffer");
        _block = _arena.Allocate(BlockBytes);
        uint[] poison = new uint[(BlockBytes + 3) / 4];
        Array.Fill(poison, Poison);
        device.Upload<byte>(System.Runtime.InteropServices.MemoryMarshal.AsBytes<uint>(poison)[..(int)BlockBytes], _block);
    }

    public DType Type { get; }

    public long Length { get; }

    /// <summary>The first element.</summary>
    public nint Address => _block + ((Guard + _misalignment) * Type.Bytes());

    public Elements Elements => new(Address, Type);

    private long BlockBytes => (Length + (2 * Guard) + _misalignment) * Type.Bytes();

    /// <summary>These values, rounded to the type.</summary>
    public static DeviceBuffer From(CudaDevice device, DType type, ReadOnlySpan<float> values, int misalignment = 0)
    {
        var buffer = new DeviceBuffer(device, type, values.Length, misalignment);
        buffer.Write(values);
        return buffer;
    }

    /// <summary>Unit Gaussians from a seed, rounded to the type.</summary>
    public static DeviceBuffer Random(CudaDevice device, DType type, long length, int seed, float scale = 1f, int misalignment = 0) =>
        From(device, type, Gaussians(length, seed, scale), misalignment);

    /// <summary>Unit Gaussians from a seed.</summary>
    public static float[] Gaussians(long length, int seed, float scale = 1f)
    {
        var random = new CounterRandom((ulong)seed, 0x7E57);
        float[] values = new float[length];
        for (long i = 0; i < length; i++)
        {
            values[i] = random.NextGaussian() * scale;
        }

        return values;
    }

    /// <summary>Assigns all elements.</summary>
    public void Write(ReadOnlySpan<float> values)
    {
        Assert.Equal(Length, values.Length);
        if (Type == DType.F32)
        {
            _device.Upload(values, Address);
            return;
        }

        ushort[] halves = new ushort[values.Length];
        for (int i = 0; i < halves.Length; i++)
        {
            halves[i] = Bf16.Round(values[i]);
        }

        _device.Upload<ushort>(halves, Address);
    }

    /// <summary>The elements as floats; fails if a byte before or behind them changed.</summary>
    public float[] Read()
    {
        byte[] block = new byte[BlockBytes];
        _device.Download<byte>(_block, block);
        int first = (Guard + _misalignment) * Type.Bytes(), end = first + (int)(Length * Type.Bytes());
        for (int i = 0; i < block.Length; i++)
        {
            if (i < first || i >= end)
            {
                Assert.True(
                    block[i] == (byte)(Poison >> (8 * (i % 4))),
                    $"wrote byte {(i < first ? i - first : i - end)} {(i < first ? "before" : "behind")} the buffer");
            }
        }

        float[] values = new float[Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Type == DType.F32
                ? BitConverter.ToSingle(block, first + (4 * i))
                : Bf16.Widen(BitConverter.ToUInt16(block, first + (2 * i)));
        }

        return values;
    }

    /// <summary>As <see cref="Read"/>, in double: the inputs of a reference, which so sees what the kernel saw.</summary>
    public double[] ReadWide() => Array.ConvertAll(Read(), value => (double)value);

    public void Dispose() => _arena.Dispose();
}
