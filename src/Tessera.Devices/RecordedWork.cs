namespace Tessera.Devices;

/// <summary>Work of a device that was recorded once and runs again as one launch; see <see cref="Device.Record"/>.</summary>
public abstract class RecordedWork : IDisposable
{
    /// <summary>Runs it once more, behind everything asked of the device before.</summary>
    public abstract void Launch();

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the device keeps for it.</summary>
    protected abstract void Dispose(bool disposing);
}
