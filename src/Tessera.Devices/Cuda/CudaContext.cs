using System.Diagnostics;
using System.Runtime.CompilerServices;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>The primary context of a card, and what every call to the driver goes through.</summary>
/// <remarks>The context is made current on whichever thread calls, see docs/decisions/0012-one-stream-a-device.md.</remarks>
internal sealed class CudaContext : IDisposable
{
    // Other threads still hold a context that has been given back, and the next one may have its handle: what they know is void then.
    private static long _generations;

    [ThreadStatic]
    private static nint _current;

    [ThreadStatic]
    private static long _currentGeneration;

    private readonly nint _handle;
    private long _waited;
    private bool _disposed;

    public CudaContext(CudaCard card)
    {
        Card = card;
        Check(CudaDriver.DeviceGet(out int device, card.Ordinal), "cuDeviceGet");
        Number = device;
        Check(CudaDriver.DevicePrimaryCtxRetain(out _handle, device), "cuDevicePrimaryCtxRetain");
    }

    /// <summary>The card.</summary>
    public CudaCard Card { get; }

    /// <summary>The driver's number of the card.</summary>
    public int Number { get; }

    /// <summary>Seconds that threads have spent in <see cref="Wait"/>.</summary>
    public double SecondsWaited => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _waited)).TotalSeconds;

    /// <summary>Whether the context was given back; what was made in it is gone.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Makes the context current on the calling thread, if it is not.</summary>
    public void MakeCurrent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long generation = Volatile.Read(ref _generations);
        if (_current != _handle || _currentGeneration != generation)
        {
            Check(CudaDriver.CtxSetCurrent(_handle), "cuCtxSetCurrent");
            (_current, _currentGeneration) = (_handle, generation);
        }
    }

    /// <summary>Waits for work of the card and keeps count of the time.</summary>
    /// <param name="wait">The driver's call.</param>
    /// <param name="handle">What it waits for.</param>
    /// <param name="call">Its name.</param>
    /// <exception cref="CudaException">Something asked for before has failed.</exception>
    public unsafe void Wait(delegate*<nint, CudaStatus> wait, nint handle, string call)
    {
        MakeCurrent();
        long start = Stopwatch.GetTimestamp();
        CudaStatus status = wait(handle);
        Interlocked.Add(ref _waited, Stopwatch.GetTimestamp() - start);
        Check(status, call, "work that was asked for before");
    }

    /// <summary>Throws unless a call succeeded.</summary>
    /// <param name="status">What it returned.</param>
    /// <param name="call">The C function.</param>
    /// <param name="subject">What it was about: a kernel with its shape, an arena.</param>
    /// <exception cref="CudaException">It failed; the message names call, status, subject and free memory.</exception>
    public void Check(CudaStatus status, string call, string subject = "")
    {
        if (status != CudaStatus.Success)
        {
            string about = subject.Length > 0 ? $" for {subject}" : string.Empty;
            throw new CudaException(call, (int)status, $"{call} failed{about}: {CudaDriver.Describe(status)}{DescribeFree()}");
        }
    }

    /// <summary>As <see cref="Check(CudaStatus, string, string)"/>; nothing is put together for a call that succeeded.</summary>
    /// <exception cref="CudaException">It failed.</exception>
    public void Check(CudaStatus status, string call, [InterpolatedStringHandlerArgument(nameof(status))] ref FailureText subject)
    {
        if (status != CudaStatus.Success)
        {
            Check(status, call, subject.Take());
        }
    }

    /// <summary>Free and total bytes of the card; null where the driver does not say, as after an error that ended the context.</summary>
    public (long Free, long Total)? Memory()
    {
        if (_disposed || _handle == 0 || CudaDriver.CtxSetCurrent(_handle) != CudaStatus.Success)
        {
            return null;
        }

        // The next call makes it current by itself.
        _current = 0;
        return CudaDriver.MemGetInfo(out nuint free, out nuint total) == CudaStatus.Success ? ((long)free, (long)total) : null;
    }

    /// <summary>Free memory as the rest of a sentence.</summary>
    public string DescribeFree() =>
        Memory() is { } memory ? $"; cuda:{Card.Ordinal} has {memory.Free:N0} of {memory.Total:N0} bytes free" : string.Empty;

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            if (_current == _handle)
            {
                _ = CudaDriver.CtxSetCurrent(0);
                _current = 0;
            }

            _ = CudaDriver.DevicePrimaryCtxRelease(Number);
            Interlocked.Increment(ref _generations);
        }
    }
}
