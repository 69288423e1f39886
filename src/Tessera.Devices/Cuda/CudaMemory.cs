namespace Tessera.Devices;

/// <summary>Memory of a card. Copies, fills and kernels run in the order of one stream.</summary>
internal sealed class CudaMemory : DeviceMemory, IDisposable
{
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly StagingRing _staging;
    private readonly Dictionary<nint, CudaRange> _pieces = [];

    public CudaMemory(CudaContext context, CudaStream stream)
    {
        _context = context;
        _stream = stream;
        _staging = new StagingRing(context, stream);
    }

    /// <inheritdoc />
    public override double SecondsWaited => _context.SecondsWaited;

    /// <inheritdoc />
    public override long DirectBytes => StagingRing.PieceBytes;

    /// <inheritdoc />
    public override ArenaRange OpenRange() => new CudaRange(_context, _stream);

    /// <inheritdoc />
    public override long? FreeBytes() => _context.Memory()?.Free;

    /// <inheritdoc />
    public override string DescribeFree() => _context.DescribeFree();

    /// <inheritdoc />
    public override nint Take(long bytes)
    {
        var piece = new CudaRange(_context, _stream);
        nint address = piece.Take(bytes, bytes).Address;
        _pieces.Add(address, piece);
        return address;
    }

    /// <inheritdoc />
    public override void Return(nint address, long bytes)
    {
        if (_pieces.Remove(address, out CudaRange? piece))
        {
            piece.Dispose();
        }
    }

    /// <inheritdoc />
    public override void Upload(nint source, nint destination, long bytes)
    {
        if (bytes > 0)
        {
            _stream.RefuseWhileCapturing("an upload");
            _staging.Upload(source, destination, bytes);
        }
    }

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes)
    {
        if (bytes > 0)
        {
            _stream.RefuseWhileCapturing("a download");
            _staging.Download(source, destination, bytes);
        }
    }

    /// <inheritdoc />
    public override void Write(nint destination, long bytes, Action<nint> fill)
    {
        _stream.RefuseWhileCapturing("an upload");
        if (bytes > 0 && !_staging.TryWrite(destination, bytes, fill))
        {
            base.Write(destination, bytes, fill);
        }
    }

    /// <inheritdoc />
    public override void Copy(nint source, nint destination, long bytes) => _stream.Copy(source, destination, bytes);

    /// <inheritdoc />
    public override void Clear(nint destination, long bytes) => _stream.Clear(destination, bytes);

    /// <inheritdoc />
    public override void Synchronize() => _stream.Synchronize();

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (CudaRange piece in _pieces.Values)
        {
            piece.Dispose();
        }

        _pieces.Clear();
        _staging.Dispose();
    }
}
