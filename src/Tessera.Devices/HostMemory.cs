using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>The processor's memory, from the operating system's allocator.</summary>
public sealed unsafe class HostMemory : DeviceMemory
{
    private HostMemory()
    {
    }

    /// <summary>The one there is.</summary>
    public static HostMemory Instance { get; } = new();

    /// <inheritdoc />
    public override nint Take(long bytes) => AddressSpace.Commit(bytes, Arena.Alignment);

    /// <inheritdoc />
    public override void Return(nint address, long bytes) => NativeMemory.AlignedFree((void*)address);

    /// <inheritdoc />
    public override long? FreeBytes() => AvailableMemory.Bytes();

    /// <inheritdoc />
    public override void Drop(nint address, long bytes) => AddressSpace.Drop(address, bytes);

    /// <inheritdoc />
    public override void Upload(nint source, nint destination, long bytes) => Copy(source, destination, bytes);

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes) => Copy(source, destination, bytes);

    /// <inheritdoc />
    public override void Copy(nint source, nint destination, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);

    /// <inheritdoc />
    public override void Clear(nint destination, long bytes) => NativeMemory.Clear((void*)destination, (nuint)bytes);

    /// <inheritdoc />
    public override void Synchronize()
    {
        // A kernel has run when its call returns.
    }

    /// <inheritdoc />
    public override void Write(nint destination, long bytes, Action<nint> fill) => fill(destination);

    /// <inheritdoc />
    public override void Edit(nint destination, long bytes, Action<nint> change) => change(destination);

    /// <inheritdoc />
    public override void Read(nint source, long bytes, Action<nint> use) => use(source);
}
