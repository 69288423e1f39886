using System.Globalization;

namespace Tessera.Devices;

/// <summary>
/// Where tensors live and kernels run. An operation's contract takes a device as an argument and picks the implementation;
/// nothing above the kernels asks which one it is.
/// </summary>
/// <remarks>
/// Memory of a device is read and written by kernels and by the methods here. All of them run in the order in which they were
/// asked for; <see cref="Synchronize"/> and <see cref="Download{T}(nint, Span{T})"/> wait for what was asked for before.
/// Where the device is only planning (<see cref="IsPlanning"/>) they do nothing.
/// </remarks>
public abstract unsafe class Device : IDisposable
{
    /// <summary>The name given on the command line: <c>cpu</c>, <c>cuda:0</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Scratch for the kernel that is running.</summary>
    public abstract Arena Scratch { get; }

    /// <summary>How activations and their gradients are stored: f32, or bf16 where the device computes in it.</summary>
    public abstract DType ActivationType { get; }

    /// <summary>
    /// Whether it only counts: kernels make the same allocations and compute nothing, and what lies in its arenas are addresses
    /// without memory. Whoever writes large pieces of memory past the kernels asks this first.
    /// </summary>
    public virtual bool IsPlanning => false;

    /// <summary>An empty arena in this device's memory; the caller owns it.</summary>
    public abstract Arena CreateArena(string name);

    /// <summary>A device like this one that only counts; see <see cref="IsPlanning"/>. The caller owns it.</summary>
    public abstract Device ForPlanning();

    /// <summary>Opens a device by its command-line name: <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">Workers of the processor; 0 for one a core.</param>
    /// <param name="activationType">How a card stores activations; the processor has f32 alone and does not ask.</param>
    /// <exception cref="ArgumentException">There is no device of this name.</exception>
    /// <exception cref="NotSupportedException">The device is not there, or lacks a library; one sentence says which.</exception>
    public static Device Open(string name, int threads, DType activationType = DType.F32)
    {
        const string Cuda = "cuda";
        if (name == "cpu")
        {
            return new CpuDevice(threads);
        }

        int ordinal = 0;
        if (name != Cuda &&
            !(name.StartsWith(Cuda + ":", StringComparison.Ordinal) &&
              int.TryParse(name.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ordinal)))
        {
            throw new ArgumentException($"--device {name}: expected cpu, cuda or cuda:N");
        }

        try
        {
            return new CudaDevice(ordinal, activationType);
        }
        catch (NotSupportedException refused)
        {
            throw new NotSupportedException($"--device {name}: {refused.Message}", refused);
        }
    }

    /// <summary>Copies elements of the host into the device's memory. The source may be used again on return.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, nint destination)
        where T : unmanaged
    {
        fixed (T* elements = source)
        {
            Upload((nint)elements, destination, (long)source.Length * sizeof(T));
        }
    }

    /// <summary>As the other, for host memory of any length.</summary>
    /// <param name="source">Host memory.</param>
    /// <param name="destination">Device memory.</param>
    /// <param name="bytes">How many bytes.</param>
    public abstract void Upload(nint source, nint destination, long bytes);

    /// <summary>Copies elements of the device's memory to the host, after all work asked for before.</summary>
    public void Download<T>(nint source, Span<T> destination)
        where T : unmanaged
    {
        fixed (T* elements = destination)
        {
            Download(source, (nint)elements, (long)destination.Length * sizeof(T));
        }
    }

    /// <summary>As the other, for host memory of any length.</summary>
    /// <param name="source">Device memory.</param>
    /// <param name="destination">Host memory.</param>
    /// <param name="bytes">How many bytes.</param>
    public abstract void Download(nint source, nint destination, long bytes);

    /// <summary>Copies within the device's memory; the two may not overlap.</summary>
    public abstract void Copy(nint source, nint destination, long bytes);

    /// <summary>Fills memory of the device with zero bytes.</summary>
    public abstract void Clear(nint destination, long bytes);

    /// <summary>Waits until everything asked for has been done.</summary>
    public abstract void Synchronize();

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases threads and scratch memory.</summary>
    protected abstract void Dispose(bool disposing);
}
