namespace Tessera.Devices;

/// <summary>
/// Addresses for plans: nothing is taken, read or written. What somebody writes there past these operations takes a page of
/// memory, and what was never written reads as zero.
/// </summary>
public sealed class PlanningMemory : DeviceMemory
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
    public override void Upload(nint source, nint destination, long bytes)
    {
    }

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes)
    {
    }

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
