using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>Pinned host memory through which copies between host and card go, so that they need not wait for each other.</summary>
/// <remarks>
/// A ring of pieces. Small uploads lie one behind the other in a piece; when a piece is full a mark is put into the stream, and the
/// piece is used again once its mark is reached. Downloads take pieces of their own.
/// </remarks>
internal sealed unsafe class StagingRing : IDisposable
{
    /// <summary>Most bytes that <see cref="TryWrite"/> takes.</summary>
    public const int PieceBytes = 4 << 20;

    private const int UploadPieces = 4;
    private const int DownloadPieces = 2;
    private const int Pieces = UploadPieces + DownloadPieces;
    private const int Alignment = 64;

    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaEvent[] _marks;
    private readonly nint _memory;
    private int _piece;
    private int _used;

    public StagingRing(CudaContext context, CudaStream stream)
    {
        _context = context;
        _stream = stream;
        context.MakeCurrent();
        CudaStatus status = CudaDriver.MemHostAlloc(out _memory, Pieces * PieceBytes, 0);
        if (status == CudaStatus.OutOfMemory)
        {
            throw new InsufficientMemoryException($"the host has no {Pieces * PieceBytes:N0} bytes of pinned memory for copies");
        }

        context.Check(status, "cuMemHostAlloc", $"{Pieces * PieceBytes:N0} bytes");
        _marks = [.. Enumerable.Range(0, Pieces).Select(_ => new CudaEvent(context))];
    }

    /// <summary>Copies to the card; the source may be used again on return.</summary>
    public void Upload(nint source, nint destination, long bytes)
    {
        _context.MakeCurrent();
        for (long done = 0; done < bytes;)
        {
            int share = (int)Math.Min(bytes - done, PieceBytes);
            nint pinned = Rent(share);
            Buffer.MemoryCopy((void*)(source + done), (void*)pinned, share, share);
            _stream.CopyIn(pinned, destination + (nint)done, share);
            done += share;
        }
    }

    /// <summary>Has the host write a piece right into pinned memory, from where it is copied; false if it is too large for that.</summary>
    public bool TryWrite(nint destination, long bytes, Action<nint> fill)
    {
        if (bytes > PieceBytes)
        {
            return false;
        }

        _context.MakeCurrent();
        nint pinned = Rent((int)bytes);
        fill(pinned);
        _stream.CopyIn(pinned, destination, bytes);
        return true;
    }

    /// <summary>Copies to the host and waits. While one piece is copied out of pinned memory the next is on its way.</summary>
    public void Download(nint source, nint destination, long bytes)
    {
        _context.MakeCurrent();
        long asked = 0;
        for (long done = 0; done < bytes; done += PieceBytes)
        {
            for (; asked < bytes && asked < done + ((long)DownloadPieces * PieceBytes); asked += PieceBytes)
            {
                _stream.CopyOut(source + (nint)asked, Pinned(DownloadPiece(asked)), Math.Min(bytes - asked, PieceBytes));
                _stream.Record(_marks[DownloadPiece(asked)]);
            }

            _marks[DownloadPiece(done)].Synchronize();
            long share = Math.Min(bytes - done, PieceBytes);
            Buffer.MemoryCopy((void*)Pinned(DownloadPiece(done)), (void*)(destination + (nint)done), share, share);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Array.ForEach(_marks, mark => mark.Dispose());
        if (!_context.IsDisposed)
        {
            _ = CudaDriver.MemFreeHost(_memory);
        }
    }

    private static int DownloadPiece(long offset) => UploadPieces + (int)(offset / PieceBytes % DownloadPieces);

    private nint Pinned(int piece) => _memory + ((nint)piece * PieceBytes);

    private nint Rent(int bytes)
    {
        if (_used + bytes > PieceBytes)
        {
            _stream.Record(_marks[_piece]);
            _piece = (_piece + 1) % UploadPieces;
            _marks[_piece].Synchronize();
            _used = 0;
        }

        nint address = Pinned(_piece) + _used;
        _used += (bytes + Alignment - 1) & -Alignment;
        return address;
    }
}
