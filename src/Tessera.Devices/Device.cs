using System.Globalization;

namespace Tessera.Devices;

/// <summary>
/// Where tensors live and kernels run. An operation's contract takes a device as an argument and picks the implementation;
/// nothing above the kernels asks which one it is.
/// </summary>
/// <remarks>Its memory is read and written by kernels and by what <see cref="Memory"/> offers, in the order of the calls.</remarks>
public abstract class Device : IDisposable
{
    /// <summary>The name given on the command line: <c>cpu</c>, <c>cuda:0</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The name with what the hardware calls itself, where it does: <c>cpu</c>, <c>cuda:0 NVIDIA H100 80GB HBM3</c>.</summary>
    public virtual string Description => Name;

    /// <summary>Threads of the processor that run kernels; 0 where a card runs them.</summary>
    public virtual int Threads => 0;

    /// <summary>Its memory.</summary>
    public abstract DeviceMemory Memory { get; }

    /// <summary>Scratch for the kernel that is running.</summary>
    public abstract Arena Scratch { get; }

    /// <summary>How activations and their gradients are stored: f32, or bf16 where the device computes in it.</summary>
    public abstract DType ActivationType { get; }

    /// <summary>Whether products of many rows gain by a weight that was packed before; then it is worth its memory.</summary>
    public virtual bool ReadsPackedWeights => false;

    /// <summary>Whether masters may be trained in bf16: its optimiser rounds them stochastically.</summary>
    public virtual bool TrainsBf16Masters => false;

    /// <summary>Whether work that comes again is worth recording, because asking for each kernel costs time of its own.</summary>
    public virtual bool RecordsWork => false;

    /// <summary>
    /// Whether it only counts: kernels make the same allocations and compute nothing, and what lies in its arenas are addresses
    /// without memory.
    /// </summary>
    public bool IsPlanning => Memory.IsPlanning;

    /// <summary>A clock for what it is asked to do; the caller owns it.</summary>
    public virtual DeviceClock CreateClock() => new HostClock();

    /// <summary>An empty arena in this device's memory; the caller owns it.</summary>
    public Arena CreateArena(string name) => new(name, Memory);

    /// <summary>
    /// The same hardware with activations stored in <paramref name="type"/>, where it offers that: this device or another that lives as
    /// long as it does. What was asked of one is seen by the other after <see cref="Synchronize"/>.
    /// </summary>
    public virtual Device ForActivations(DType type) => this;

    /// <summary>Records what <paramref name="work"/> asks of the device; nothing of it runs before it is launched.</summary>
    /// <param name="work">Kernels, copies and fills that ran before in the same arenas; it may neither upload, download nor wait.</param>
    /// <exception cref="NotSupportedException">This device does not record; see <see cref="RecordsWork"/>.</exception>
    /// <exception cref="InvalidOperationException">The work does what cannot be recorded.</exception>
    public virtual RecordedWork Record(Action work) => throw new NotSupportedException($"device {Name} does not record its work");

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

    /// <inheritdoc cref="DeviceMemory.Upload{T}(ReadOnlySpan{T}, nint)" />
    public void Upload<T>(ReadOnlySpan<T> source, nint destination)
        where T : unmanaged => Memory.Upload(source, destination);

    /// <inheritdoc cref="DeviceMemory.Download{T}(nint, Span{T})" />
    public void Download<T>(nint source, Span<T> destination)
        where T : unmanaged => Memory.Download(source, destination);

    /// <inheritdoc cref="DeviceMemory.Copy" />
    public void Copy(nint source, nint destination, long bytes) => Memory.Copy(source, destination, bytes);

    /// <inheritdoc cref="DeviceMemory.Clear" />
    public void Clear(nint destination, long bytes) => Memory.Clear(destination, bytes);

    /// <inheritdoc cref="DeviceMemory.Synchronize" />
    public void Synchronize() => Memory.Synchronize();

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Lets the processor's kernels run for this device; null where it has kernels of its own. For devices that watch the
    /// processor: their memory may be closed to everything else.
    /// </summary>
    protected internal virtual CpuDevice? EnterKernel() => null;

    /// <summary>The kernel that <see cref="EnterKernel"/> began has returned.</summary>
    protected internal virtual void LeaveKernel()
    {
    }

    /// <summary>Releases threads and scratch memory.</summary>
    protected abstract void Dispose(bool disposing);
}
