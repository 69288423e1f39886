using Tessera.Devices;

namespace Tessera.Puzzle.Tests;

/// <summary>
/// The processor with a memory of its own that counts what is taken; with free bytes it looks like a card, whose memory is filled in small pieces.
/// </summary>
internal sealed class CountingDevice : Device
{
    private readonly CpuDevice _processor;
    private readonly CountingMemory _memory;
    private readonly bool _isCard;

    public CountingDevice(int threads, long? cardBytes = null)
    {
        _processor = new CpuDevice(threads);
        _memory = new CountingMemory(cardBytes);
        _isCard = cardBytes is not null;
        Scratch = CreateArena("kernel scratch");
    }

    /// <summary>The most bytes that were taken at once.</summary>
    public long PeakBytes => _memory.Peak;

    public override string Name => "counting";

    public override DeviceMemory Memory => _memory;

    public override Arena Scratch { get; }

    public override DType ActivationType => DType.F32;

    public override bool ReadsPackedWeights => true;

    public override int Threads => _isCard ? 0 : _processor.Threads;

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

    private sealed class CountingMemory(long? cardBytes) : DeviceMemory
    {
        private const int CardPiece = 1 << 10;

        private long _taken;

        public long Peak { get; private set; }

        public override long DirectBytes => cardBytes is null ? base.DirectBytes : CardPiece;

        public override long? FreeBytes() => cardBytes;

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
