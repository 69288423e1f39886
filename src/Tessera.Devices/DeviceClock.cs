namespace Tessera.Devices;

/// <summary>Times the work of a device by marks between what it is asked for.</summary>
/// <remarks>
/// On the processor a mark is the time of the call, since a kernel has run when its call returns. On a card it lies in the stream:
/// it has the time at which everything asked for before was done, and putting it there waits for nothing.
/// </remarks>
public abstract class DeviceClock : IDisposable
{
    /// <summary>The shortest stretch, in seconds, that is measured well: beyond the clock's steps and the system's short interruptions.</summary>
    public abstract double SteadySeconds { get; }

    /// <summary>Puts a mark behind the work so far.</summary>
    /// <returns>Its number since the last <see cref="Reset"/>, from 0.</returns>
    public abstract int Mark();

    /// <summary>Seconds from one mark to a later one; waits until that is reached.</summary>
    public abstract double Seconds(int from, int to);

    /// <summary>Forgets all marks.</summary>
    public abstract void Reset();

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases marks.</summary>
    protected abstract void Dispose(bool disposing);
}
