using Tessera.Devices;
using Xunit;

namespace Tessera.TestSupport;

/// <summary>
/// The processor as a device whose memory only kernels can reach: what runs on it touches no device memory outside of them.
/// </summary>
/// <remarks>
/// Where it records, kernels compute nothing while work is recorded, and the work runs when it is launched; from its beginning to
/// its end nothing may be uploaded, downloaded or taken, as on a card.
/// </remarks>
public sealed class GuardedDevice : Device
{
    private readonly CpuDevice _processor;
    private readonly CpuDevice _idle;
    private readonly GuardedMemory _memory = new();
    private bool _isRecording;

    /// <summary>Opens one; the calling test is skipped, by name, where the system is another.</summary>
    /// <param name="threads">Workers.</param>
    /// <param name="records">Whether it offers to record work.</param>
    public GuardedDevice(int threads, bool records = false)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "memory is protected by Linux's calls");
        _processor = new CpuDevice(threads);
        _idle = (CpuDevice)_processor.ForPlanning();
        RecordsWork = records;
        Scratch = CreateArena("kernel scratch");
    }

    /// <inheritdoc />
    public override string Name => "guarded";

    /// <inheritdoc />
    public override DType ActivationType => DType.F32;

    /// <inheritdoc />
    public override bool ReadsPackedWeights => true;

    /// <inheritdoc />
    public override bool RecordsWork { get; }

    /// <inheritdoc />
    public override DeviceMemory Memory => _memory;

    /// <inheritdoc />
    public override Arena Scratch { get; }

    /// <summary>How often work was recorded.</summary>
    public int Recordings { get; private set; }

    /// <summary>How often its memory was opened.</summary>
    public long Openings => _memory.Openings;

    /// <inheritdoc />
    public override RecordedWork Record(Action work)
    {
        Seal(work, isRecording: true);
        Recordings++;
        return new Recording(this, work);
    }

    /// <inheritdoc />
    public override Device ForPlanning() => _processor.ForPlanning();

    /// <inheritdoc />
    protected override CpuDevice EnterKernel()
    {
        _memory.Open();
        return _isRecording ? _idle : _processor;
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
            _idle.Dispose();
            _memory.Dispose();
        }
    }

    private void Seal(Action work, bool isRecording)
    {
        (_isRecording, _memory.IsSealed) = (isRecording, true);
        try
        {
            work();
        }
        finally
        {
            (_isRecording, _memory.IsSealed) = (false, false);
        }
    }

    private sealed class Recording(GuardedDevice device, Action work) : RecordedWork
    {
        private bool _isDisposed;

        public override void Launch()
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            device.Seal(work, isRecording: false);
        }

        protected override void Dispose(bool disposing) => _isDisposed = true;
    }
}
