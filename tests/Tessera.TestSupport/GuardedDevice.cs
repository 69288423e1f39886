using Tessera.Devices;
using Xunit;

namespace Tessera.TestSupport;

/// <summary>
/// The processor as a device whose memory only kernels can reach: what runs on it touches no device memory outside of them.
/// </summary>
public sealed class GuardedDevice : Device
{
    private readonly CpuDevice _processor;
    private readonly GuardedMemory _memory = new();

    /// <summary>Opens one; the calling test is skipped, by name, where the system is another.</summary>
    public GuardedDevice(int threads)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "memory is protected by Linux's calls");
        _processor = new CpuDevice(threads);
        Scratch = CreateArena("kernel scratch");
    }

    /// <inheritdoc />
    public override string Name => "guarded";

    /// <inheritdoc />
    public override DType ActivationType => DType.F32;

    /// <inheritdoc />
    public override bool ReadsPackedWeights => true;

    /// <inheritdoc />
    public override DeviceMemory Memory => _memory;

    /// <inheritdoc />
    public override Arena Scratch { get; }

    /// <summary>How often its memory was opened.</summary>
    public long Openings => _memory.Openings;

    /// <inheritdoc />
    public override Device ForPlanning() => _processor.ForPlanning();

    /// <inheritdoc />
    protected override CpuDevice EnterKernel()
    {
        _memory.Open();
        return _processor;
    }

    /// <inheritdoc />
    protected override void LeaveKernel() => _memory.Close();

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Scratch.Dispose();
            _processor.Dispose();
            _memory.Dispose();
        }
    }
}
