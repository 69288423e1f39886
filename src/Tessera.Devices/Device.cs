namespace Tessera.Devices;

/// <summary>
/// Where tensors live and kernels run. An operation's contract takes a device as an argument and picks the implementation;
/// nothing above the kernels asks which one it is.
/// </summary>
public abstract class Device : IDisposable
{
    /// <summary>The name given on the command line: <c>cpu</c>, later <c>cuda:0</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Scratch for the kernel that is running.</summary>
    public abstract Arena Scratch { get; }

    /// <summary>
    /// Whether it only counts: kernels make the same allocations and compute nothing, and what lies in its arenas are addresses
    /// without memory. Whoever writes large pieces of memory past the kernels asks this first.
    /// </summary>
    public virtual bool IsPlanning => false;

    /// <summary>An empty arena in this device's memory; the caller owns it.</summary>
    public abstract Arena CreateArena(string name);

    /// <summary>A device like this one that only counts; see <see cref="IsPlanning"/>. The caller owns it.</summary>
    public abstract Device ForPlanning();

    /// <summary>Opens a device by its command-line name.</summary>
    /// <exception cref="ArgumentException">The name is unknown or the device is not there.</exception>
    public static Device Open(string name, int threads) => name switch
    {
        "cpu" => new CpuDevice(threads),
        _ => throw new ArgumentException($"--device {name}: this build offers only cpu"),
    };

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases threads and scratch memory.</summary>
    protected abstract void Dispose(bool disposing);
}
