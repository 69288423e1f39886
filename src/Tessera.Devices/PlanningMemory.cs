using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>
/// Addresses for plans, in the processor's address space. What a step is told (<see cref="Upload"/>: ids, segments) is written there
/// and takes a page, since a plan may depend on it; what it computes, copies or clears is not. What was never written reads as zero.
/// </summary>
public sealed unsafe class PlanningMemory : DeviceMemory
{
    private PlanningMemory()
    {
    }

    /// <summary>The one there is.</summary>
    public static PlanningMemory Instance { get; } = new();

    /// <inheritdoc />
    public override bool IsPlanning => true;

    /// <inheritdoc />
    public override nint Take(long bytes) => AddressSpace.Reserve(bytes);

    /// <inheritdoc />
    public override void Return(nint address, long bytes) => AddressSpace.Return(address, bytes);

    /// <inheritdoc />
    public override void Upload(nint source, nint destination, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);

    /// <inheritdoc />
    public override void Copy(nint source, nint destination, long bytes)
    {
    }

    /// <inheritdoc />
    public override void Clear(nint destination, long bytes)
    {
    }

    /// <inheritdoc />
    public override void Synchronize()
    {
    }

    /// <inheritdoc />
    public override void Write(nint destination, long bytes, Action<nint> fill)
    {
    }

    /// <inheritdoc />
    public override void Edit(nint destination, long bytes, Action<nint> change)
    {
    }

    /// <inheritdoc />
    public override void Read(nint source, long bytes, Action<nint> use)
    {
    }
}
