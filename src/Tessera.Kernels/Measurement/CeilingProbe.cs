using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>What a device can do at best, kept ready so that it can be measured between two runs of a kernel.</summary>
public abstract class CeilingProbe : IDisposable
{
    /// <summary>A probe of a device; it takes memory when a ceiling is first asked for.</summary>
    public static CeilingProbe Of(Device device) =>
        device is CudaDevice cuda ? new CudaCeilingProbe(cuda) : new CpuCeilingProbe(CpuDevice.From(device));

    /// <summary>One measurement: operations or bytes per second. Not for <see cref="BenchCeiling.None"/>.</summary>
    public abstract double Rate(BenchCeiling ceiling);

    /// <summary>What the maker publishes for a ceiling, in operations per second; null where it is not known.</summary>
    public virtual double? Published(BenchCeiling ceiling) => null;

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases memory.</summary>
    protected abstract void Dispose(bool disposing);
}
