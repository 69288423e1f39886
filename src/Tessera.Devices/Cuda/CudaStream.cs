using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>A queue of work of a card: what is put in runs in that order.</summary>
public sealed unsafe class CudaStream : IDisposable
{
    /// <summary>What cuBLASLt may use beside its operands. Two streams must not share it: sums would depend on their timing.</summary>
    public const long WorkspaceBytes = 32L << 20;

    private const uint NonBlocking = 1;
    private readonly CudaContext? _context;
    private readonly nint _handle;
    private Arena? _workspace;
    private nint _workspaceAddress;
    private bool _disposed;

    internal CudaStream(CudaContext? context)
    {
        _context = context;
        if (context is not null)
        {
            context.MakeCurrent();
            context.Check(CudaDriver.StreamCreateWithPriority(out _handle, NonBlocking, 0), "cuStreamCreateWithPriority");
        }
    }

    /// <summary>The driver's handle, for libraries; 0 on a device that plans.</summary>
    public nint Handle => _handle;

    /// <summary>Whether what is put in becomes part of a graph and does not run; see <see cref="CudaGraph"/>.</summary>
    public bool IsCapturing { get; internal set; }

    /// <summary>Waits until everything put in so far is done.</summary>
    /// <exception cref="CudaException">Something put in before has failed.</exception>
    public void Synchronize()
    {
        if (_context is { } context)
        {
            RefuseWhileCapturing("waiting");
            context.Wait(&CudaDriver.StreamSynchronize, _handle, "cuStreamSynchronize");
        }
    }

    /// <summary>Puts a mark behind the work so far.</summary>
    public void Record(CudaEvent mark)
    {
        if (_context is { } context)
        {
            context.MakeCurrent();
            context.Check(CudaDriver.EventRecord(mark.Handle, _handle), "cuEventRecord");
        }
    }

    /// <summary>Lets the work to come wait for a mark, of this stream or another.</summary>
    public void Wait(CudaEvent mark)
    {
        if (_context is { } context)
        {
            context.MakeCurrent();
            context.Check(CudaDriver.StreamWaitEvent(_handle, mark.Handle, 0), "cuStreamWaitEvent");
        }
    }

    /// <summary>Room of <see cref="WorkspaceBytes"/> for cuBLASLt on this stream; taken at the first call, then always the same.</summary>
    public nint Workspace(CudaDevice device)
    {
        if (_workspace is null)
        {
            _workspace = device.CreateArena("cuBLASLt workspace");
            _workspaceAddress = _workspace.Allocate(WorkspaceBytes);
        }

        return _workspaceAddress;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _workspace?.Dispose();
        if (_context is { IsDisposed: false })
        {
            _ = CudaDriver.StreamDestroy(_handle);
        }
    }

    /// <summary>Waits like <see cref="Synchronize"/> and ignores errors: for giving memory back.</summary>
    internal void Finish() => _ = CudaDriver.StreamSynchronize(_handle);

    internal void Clear(nint destination, long bytes)
    {
        if (_context is { } context && bytes > 0)
        {
            context.MakeCurrent();
            context.Check(CudaDriver.MemsetD8Async(destination, 0, (nuint)bytes, _handle), "cuMemsetD8Async", $"{bytes:N0} bytes");
        }
    }

    internal void Copy(nint source, nint destination, long bytes)
    {
        if (_context is { } context && bytes > 0)
        {
            context.MakeCurrent();
            context.Check(
                CudaDriver.MemcpyDtoDAsync(destination, source, (nuint)bytes, _handle), "cuMemcpyDtoDAsync", $"{bytes:N0} bytes");
        }
    }

    internal void CopyIn(nint pinned, nint destination, long bytes) => _context!.Check(
        CudaDriver.MemcpyHtoDAsync(destination, (void*)pinned, (nuint)bytes, _handle), "cuMemcpyHtoDAsync", $"{bytes:N0} bytes");

    internal void CopyOut(nint source, nint pinned, long bytes) => _context!.Check(
        CudaDriver.MemcpyDtoHAsync((void*)pinned, source, (nuint)bytes, _handle), "cuMemcpyDtoHAsync", $"{bytes:N0} bytes");

    /// <summary>Refuses what cannot be part of a graph.</summary>
    internal void RefuseWhileCapturing(string what)
    {
        if (IsCapturing)
        {
            throw new InvalidOperationException($"{what} is not possible while a graph is captured");
        }
    }
}
