namespace Tessera.Devices;

/// <summary>The processor: a pool of workers and scratch memory for kernels.</summary>
public sealed class CpuDevice : Device
{
    /// <summary>Opens the processor with <paramref name="threads"/> workers; 0 means one for every processor.</summary>
    public CpuDevice(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Workers = new WorkerPool(threads == 0 ? Environment.ProcessorCount : threads);
        Scratch = CreateArena("kernel scratch");
    }

    private CpuDevice(WorkerPool workers)
    {
        Workers = workers;
        Memory = PlanningMemory.Instance;
        Scratch = CreateArena("kernel scratch");
    }

    /// <inheritdoc />
    public override string Name => "cpu";

    /// <inheritdoc />
    public override DeviceMemory Memory { get; } = HostMemory.Instance;

    /// <inheritdoc />
    public override DType ActivationType => DType.F32;

    /// <inheritdoc />
    public override bool ReadsPackedWeights => true;

    /// <inheritdoc />
    public override int Threads => Workers.Count;

    /// <summary>The workers that run kernel bodies.</summary>
    public WorkerPool Workers { get; }

    /// <summary>
    /// Scratch for the kernel that is running, used by the launching thread only: mark, allocate, run, release.
    /// Room for each worker is allocated there before the workers start.
    /// </summary>
    public override Arena Scratch { get; }

    /// <inheritdoc />
    public override Device ForPlanning() => new CpuDevice(WorkerPool.Idle(Workers.Count));

    /// <summary>The processor behind <paramref name="device"/>.</summary>
    /// <exception cref="NotSupportedException">It is another kind of device.</exception>
    public static CpuDevice From(Device device) =>
        device as CpuDevice ?? throw new NotSupportedException($"device {device.Name} has no implementation of this operation");

    /// <summary>Begins a kernel on the processor: every operation's contract does it before it touches the device's memory.</summary>
    /// <exception cref="NotSupportedException">It is another kind of device.</exception>
    public static KernelScope Enter(Device device) => device is CpuDevice cpu
        ? new KernelScope(cpu, null)
        : new KernelScope(device.EnterKernel() ?? From(device), device);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Workers.Dispose();
            Scratch.Dispose();
        }
    }
}
