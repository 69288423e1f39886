using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>A mark in a stream that can be waited for, and whose time can be compared with another's.</summary>
public sealed class CudaEvent : IDisposable
{
    private readonly CudaContext _context;
    private readonly nint _handle;
    private bool _disposed;

    internal CudaEvent(CudaContext context, bool timed = false)
    {
        _context = context;
        context.MakeCurrent();
        context.Check(
            CudaDriver.EventCreate(out _handle, timed ? CudaEventFlags.Default : CudaEventFlags.DisableTiming), "cuEventCreate");
    }

    /// <summary>The driver's handle.</summary>
    public nint Handle => _handle;

    /// <summary>Waits on the calling thread until the mark is reached; at once if it was never recorded.</summary>
    public void Synchronize()
    {
        unsafe
        {
            _context.Wait(&CudaDriver.EventSynchronize, _handle, "cuEventSynchronize");
        }
    }

    /// <summary>Milliseconds from an earlier mark to this one; both timed and reached.</summary>
    public float MillisecondsSince(CudaEvent start)
    {
        _context.MakeCurrent();
        _context.Check(CudaDriver.EventElapsedTime(out float milliseconds, start._handle, _handle), "cuEventElapsedTime");
        return milliseconds;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            if (!_context.IsDisposed)
            {
                _ = CudaDriver.EventDestroy(_handle);
            }
        }
    }
}
