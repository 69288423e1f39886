namespace Tessera.Devices;

/// <summary>The memory behind one arena: pieces that are taken as it grows, given back together, and taken again.</summary>
public abstract class ArenaRange : IDisposable
{
    /// <summary>Whether pieces lie one behind the other, so that the arena is one chunk that grows.</summary>
    public abstract bool IsContiguous { get; }

    /// <summary>Takes a piece.</summary>
    /// <param name="needed">Bytes that it must have.</param>
    /// <param name="wanted">Bytes that would keep an arena from growing in many small steps; at least <paramref name="needed"/>.</param>
    /// <exception cref="OutOfMemoryException">There is not enough.</exception>
    public abstract (nint Address, long Bytes) Take(long needed, long wanted);

    /// <summary>Gives the memory of all pieces back and keeps their addresses.</summary>
    public abstract void Unmap();

    /// <summary>Takes memory for all pieces again.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough; everything stays unmapped.</exception>
    public abstract void Remap();

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives memory and addresses back.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>Pieces anywhere in a memory.</summary>
internal sealed class ScatteredRange(DeviceMemory memory) : ArenaRange
{
    private readonly List<(nint Address, long Bytes)> _pieces = [];

    /// <inheritdoc />
    public override bool IsContiguous => false;

    /// <inheritdoc />
    public override (nint Address, long Bytes) Take(long needed, long wanted)
    {
        var piece = (memory.Take(wanted), wanted);
        _pieces.Add(piece);
        return piece;
    }

    /// <inheritdoc />
    public override void Unmap() => _pieces.ForEach(piece => memory.Drop(piece.Address, piece.Bytes));

    /// <inheritdoc />
    public override void Remap()
    {
        // What was dropped comes back when it is touched.
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        _pieces.ForEach(piece => memory.Return(piece.Address, piece.Bytes));
        _pieces.Clear();
    }
}
