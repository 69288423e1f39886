using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>Memory of a card: one range of reserved addresses into which physical pieces are mapped as the arena grows.</summary>
/// <remarks>
/// The range is as long as the card's memory, so an arena of any size is one chunk and nothing ever moves; addresses are plentiful.
/// Pieces are multiples of the driver's granularity (2 MiB).
/// </remarks>
internal sealed unsafe class CudaRange : ArenaRange
{
    /// <summary>An arena that grows step by step takes at most this much more than it needs.</summary>
    private const long MostSpareBytes = 64L << 20;

    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly List<(ulong Handle, long Bytes)> _pieces = [];
    private readonly long _granularity;
    private readonly long _rangeBytes;
    private nint _start;
    private long _mapped;

    public CudaRange(CudaContext context, CudaStream stream)
    {
        _context = context;
        _stream = stream;
        context.MakeCurrent();
        CudaAllocation allocation = CudaAllocation.OnDevice(context.Number);
        context.Check(CudaDriver.MemGetAllocationGranularity(out nuint granularity, &allocation, 0), "cuMemGetAllocationGranularity");
        _granularity = (long)granularity;
        _rangeBytes = Round(context.Card.TotalBytes);
    }

    /// <inheritdoc />
    public override bool IsContiguous => true;

    /// <inheritdoc />
    public override (nint Address, long Bytes) Take(long needed, long wanted)
    {
        _context.MakeCurrent();
        if (_stream.IsCapturing)
        {
            throw new InvalidOperationException("memory would grow while a graph is captured: run the step once before");
        }

        if (_start == 0)
        {
            _context.Check(CudaDriver.MemAddressReserve(out _start, (nuint)_rangeBytes, 0, 0, 0), "cuMemAddressReserve");
        }

        long least = Round(needed), bytes = Math.Max(least, Round(Math.Min(wanted, needed + MostSpareBytes)));
        if (_mapped + least > _rangeBytes)
        {
            throw new InsufficientMemoryException();
        }

        bytes = Math.Min(bytes, _rangeBytes - _mapped);
        if (Create(bytes) is { } handle)
        {
            return Append(handle, bytes);
        }

        return Create(least) is { } smaller ? Append(smaller, least) : throw new InsufficientMemoryException();
    }

    /// <inheritdoc />
    public override void Unmap()
    {
        // Kernels that were asked for may still be at work here.
        _stream.Synchronize();
        Release();
    }

    /// <inheritdoc />
    public override void Remap()
    {
        _context.MakeCurrent();
        long[] sizes = [.. _pieces.Select(piece => piece.Bytes)];
        _pieces.Clear();
        foreach (long bytes in sizes)
        {
            if (Create(bytes) is not { } handle)
            {
                // All or nothing; the sizes are kept for another try.
                Release();
                _pieces.Clear();
                _pieces.AddRange(sizes.Select(size => (0UL, size)));
                throw new InsufficientMemoryException();
            }

            Append(handle, bytes);
        }
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (_start == 0 || _context.IsDisposed)
        {
            return;
        }

        // After an error that ended the context there is nothing to wait for, and no reason to hide that error.
        _context.MakeCurrent();
        _stream.Finish();
        Release();
        _ = CudaDriver.MemAddressFree(_start, (nuint)_rangeBytes);
        _start = 0;
    }

    private ulong? Create(long bytes)
    {
        CudaAllocation allocation = CudaAllocation.OnDevice(_context.Number);
        CudaStatus status = CudaDriver.MemCreate(out ulong handle, (nuint)bytes, &allocation, 0);
        if (status == CudaStatus.OutOfMemory)
        {
            return null;
        }

        _context.Check(status, "cuMemCreate");
        return handle;
    }

    private (nint Address, long Bytes) Append(ulong handle, long bytes)
    {
        nint address = _start + (nint)_mapped;
        _context.Check(CudaDriver.MemMap(address, (nuint)bytes, 0, handle, 0), "cuMemMap");
        var access = new CudaAccess { Location = CudaLocation.OnDevice(_context.Number), Flags = CudaAccess.ReadWrite };
        _context.Check(CudaDriver.MemSetAccess(address, (nuint)bytes, &access, 1), "cuMemSetAccess");
        _pieces.Add((handle, bytes));
        _mapped += bytes;
        return (address, bytes);
    }

    /// <summary>Gives the memory back; the list of sizes stays.</summary>
    private void Release()
    {
        if (_mapped > 0)
        {
            _ = CudaDriver.MemUnmap(_start, (nuint)_mapped);
        }

        for (int i = 0; i < _pieces.Count; i++)
        {
            if (_pieces[i].Handle != 0)
            {
                _ = CudaDriver.MemRelease(_pieces[i].Handle);
                _pieces[i] = _pieces[i] with { Handle = 0 };
            }
        }

        _mapped = 0;
    }

    private long Round(long bytes) => checked((bytes + _granularity - 1) / _granularity * _granularity);
}
