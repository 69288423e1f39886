namespace Tessera.Devices;

/// <summary>A kernel on the processor, from <see cref="CpuDevice.Enter"/> until it is disposed of. Kernels call each other.</summary>
public readonly ref struct KernelScope
{
    private readonly Device? _watched;

    internal KernelScope(CpuDevice processor, Device? watched)
    {
        Processor = processor;
        _watched = watched;
    }

    /// <summary>Who runs it.</summary>
    public CpuDevice Processor { get; }

    /// <summary>Ends it.</summary>
    public void Dispose() => _watched?.LeaveKernel();
}
