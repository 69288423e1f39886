using Tessera.Devices;

namespace Tessera.Puzzle.Tests;

/// <summary>The processor with a memory of its own that counts what is taken.</summary>
internal sealed class CountingDevice : Device
{
    private readonly CpuDevice _processor;
    private readonly CountingMemory _memory = new();

    public CountingDevice(int threads)
    {
        _processor = new CpuDevice(threads);
        Scratch = CreateArena("kernel scratch");
    }

    /// <summary>The most bytes that were taken at once.</summary>
    public long PeakBytes => _memory.Peak;

    public override string Name => "counting";

    public override DeviceMemory Memory => _memory;

    public override Arena Scratch { get; }

    public override DType ActivationType => DType.F32;

    public override bool ReadsPackedWeights => true;

    public override int Threads => _processor.Threads;

    public override Device ForPlanning() => _processor.ForPlanning();

    protected override CpuDevice EnterKernel() => _processor;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Scratch.Dispose();
            _processor.Dispose();
        }
    }

    private sealed class CountingMemory : DeviceMemory
    {
        private long _taken;

        public long Peak { get; private set; }

        public override nint Take(long bytes)
        {
            nint piece = HostMemory.Instance.Take(bytes);
            _taken += bytes;
            Peak = Math.Max(Peak, _taken);
            return piece;
        }

        public override void Return(nint address, long bytes)
        {
            _taken -= bytes;
            HostMemory.Instance.Return(address, bytes);
        }

        public override void Upload(nint source, nint destination, long bytes) => HostMemory.Instance.Upload(source, destination, bytes);

        public override void Download(nint source, nint destination, long bytes) => HostMemory.Instance.Download(source, destination, bytes);

        public override void Copy(nint source, nint destination, long bytes) => HostMemory.Instance.Copy(source, destination, bytes);

        public override void Clear(nint destination, long bytes) => HostMemory.Instance.Clear(destination, bytes);

        public override void Synchronize()
        {
        }

        public override void Write(nint destination, long bytes, Action<nint> fill) => fill(destination);

        public override void Edit(nint destination, long bytes, Action<nint> change) => change(destination);

        public override void Read(nint source, long bytes, Action<nint> use) => use(source);
    }
}
