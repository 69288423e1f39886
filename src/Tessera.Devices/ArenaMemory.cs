using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>Where an arena's memory comes from: the host, a card, or nowhere while planning.</summary>
internal abstract class ArenaMemory : IDisposable
{
    /// <summary>Whether pieces lie one behind the other, so that the arena is one chunk that grows.</summary>
    public virtual bool IsContiguous => false;

    /// <summary>Whether there is no memory behind the addresses.</summary>
    public virtual bool IsPlanning => false;

    /// <summary>Takes a piece.</summary>
    /// <param name="needed">Bytes that it must have.</param>
    /// <param name="wanted">Bytes that would keep an arena from growing in many small steps; at least <paramref name="needed"/>.</param>
    /// <exception cref="OutOfMemoryException">There is not enough.</exception>
    public abstract (nint Address, long Bytes) Take(long needed, long wanted);

    /// <summary>Fills with zeros.</summary>
    public abstract void Clear(nint address, long bytes);

    /// <summary>Gives the memory of all pieces back and keeps their addresses.</summary>
    public abstract void Unmap();

    /// <summary>Takes memory for all pieces again.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough; everything stays unmapped.</exception>
    public abstract void Remap();

    /// <summary>What is left to take, as the rest of a sentence; empty where that is not known.</summary>
    public virtual string DescribeFree() => string.Empty;

    /// <inheritdoc />
    public abstract void Dispose();
}

/// <summary>The host's memory.</summary>
internal sealed unsafe class HostArenaMemory : ArenaMemory
{
    private readonly List<(nint Address, long Bytes)> _pieces = [];

    /// <inheritdoc />
    public override (nint Address, long Bytes) Take(long needed, long wanted)
    {
        var piece = (AddressSpace.Commit(wanted, Arena.Alignment), wanted);
        _pieces.Add(piece);
        return piece;
    }

    /// <inheritdoc />
    public override void Clear(nint address, long bytes) => NativeMemory.Clear((void*)address, (nuint)bytes);

    /// <inheritdoc />
    public override void Unmap() => _pieces.ForEach(piece => AddressSpace.Drop(piece.Address, piece.Bytes));

    /// <inheritdoc />
    public override void Remap()
    {
        // Dropped pages come back when they are touched.
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _pieces.ForEach(piece => NativeMemory.AlignedFree((void*)piece.Address));
        _pieces.Clear();
    }
}

/// <summary>Addresses without memory behind them, until somebody writes there.</summary>
internal sealed class PlannedArenaMemory : ArenaMemory
{
    private readonly List<(nint Address, long Bytes)> _pieces = [];

    /// <inheritdoc />
    public override bool IsPlanning => true;

    /// <inheritdoc />
    public override (nint Address, long Bytes) Take(long needed, long wanted)
    {
        var piece = (AddressSpace.Reserve(wanted), wanted);
        _pieces.Add(piece);
        return piece;
    }

    /// <inheritdoc />
    public override void Clear(nint address, long bytes)
    {
        // Reserved pages read as zeros.
    }

    /// <inheritdoc />
    public override void Unmap()
    {
        // There is nothing to give back.
    }

    /// <inheritdoc />
    public override void Remap()
    {
        // Nor to take.
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _pieces.ForEach(piece => AddressSpace.Return(piece.Address, piece.Bytes));
        _pieces.Clear();
    }
}
