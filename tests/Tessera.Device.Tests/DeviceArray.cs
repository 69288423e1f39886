using Tessera.Devices;

namespace Tessera.Device.Tests;

/// <summary>Ids, positions, statistics, tables: values of any layout in a card's memory, with guards behind them.</summary>
internal sealed unsafe class DeviceArray<T> : IDisposable
    where T : unmanaged
{
    private const int GuardBytes = 64;
    private const byte Poison = 0xA7;

    private readonly CudaDevice _device;
    private readonly Arena _arena;
    private readonly int _length;

    public DeviceArray(CudaDevice device, ReadOnlySpan<T> values)
    {
        (_device, _length) = (device, values.Length);
        _arena = device.CreateArena("test array");
        Pointer = (T*)_arena.Allocate(Bytes + GuardBytes);
        byte[] guard = new byte[GuardBytes];
        Array.Fill(guard, Poison);
        device.Upload(values, (nint)Pointer);
        device.Upload<byte>(guard, (nint)Pointer + (nint)Bytes);
    }

    public T* Pointer { get; }

    private long Bytes => (long)_length * sizeof(T);

    /// <summary>So many values of poison.</summary>
    public static DeviceArray<T> Poisoned(CudaDevice device, int length)
    {
        byte[] bytes = new byte[length * sizeof(T)];
        Array.Fill(bytes, Poison);
        return new DeviceArray<T>(device, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(bytes));
    }

    /// <summary>The values; fails if a byte behind them changed.</summary>
    public T[] Read()
    {
        var values = new T[_length];
        byte[] guard = new byte[GuardBytes];
        _device.Download<T>((nint)Pointer, values);
        _device.Download<byte>((nint)Pointer + (nint)Bytes, guard);
        Assert.False(guard.AsSpan().ContainsAnyExcept(Poison), "wrote behind the array");
        return values;
    }

    public void Dispose() => _arena.Dispose();
}
