using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>An NVIDIA card: one stream of work, memory arenas, compiled kernels.</summary>
/// <remarks>
/// Any thread may use it, one at a time, like an arena. Kernels, copies and fills run in the order in which they were asked for;
/// only downloads, <see cref="Device.Synchronize"/> and giving memory back wait. TESSERA_CUDA_SYNC=1 waits after
/// every kernel, so that an error names the kernel that made it.
/// </remarks>
public sealed class CudaDevice : Device
{
    private readonly CudaContext? _context;
    private readonly CudaMemory? _memory;
    private readonly CudaKernels? _kernels;
    private CudaDevice? _sibling;
    private bool _disposed;

    /// <summary>Opens a card.</summary>
    /// <param name="ordinal">Its number in the driver's order.</param>
    /// <param name="activationType">How activations are stored: f32 or bf16.</param>
    /// <exception cref="NotSupportedException">There is no driver, no such card, or a card too old; one sentence says which.</exception>
    public CudaDevice(int ordinal = 0, DType activationType = DType.F32)
        : this(Find(ordinal), activationType, isPlanning: false)
    {
    }

    private CudaDevice(CudaCard card, DType activationType, bool isPlanning)
    {
        if (activationType is not (DType.F32 or DType.BF16))
        {
            throw new NotSupportedException($"activations are f32 or bf16 on a card, not {activationType.Label()}");
        }

        Card = card;
        ActivationType = activationType;
        _context = isPlanning ? null : new CudaContext(card);
        KernelCache cache = KernelCache.Default();
        try
        {
            _kernels = _context is null ? null : new CudaKernels(_context, new KernelCompiler(card.Architecture, cache));
            Stream = new CudaStream(_context);
            _memory = _context is null ? null : new CudaMemory(_context, Stream);
        }
        catch
        {
            _kernels?.Dispose();
            Stream?.Dispose();
            _context?.Dispose();
            throw;
        }

        Memory = _memory ?? (DeviceMemory)PlanningMemory.Instance;
        Products = new CudaProducts(this, cache);
        Scratch = CreateArena("kernel scratch");
    }

    /// <inheritdoc />
    public override string Name => $"cuda:{Card.Ordinal}";

    /// <inheritdoc />
    public override string Description => $"{Name} {Card.Name}";

    /// <summary>The card.</summary>
    public CudaCard Card { get; }

    /// <summary>Streaming multiprocessors of the card.</summary>
    public int Multiprocessors => Card.Multiprocessors;

    /// <inheritdoc />
    public override DeviceMemory Memory { get; }

    /// <inheritdoc />
    public override DType ActivationType { get; }

    /// <inheritdoc />
    public override bool TrainsBf16Masters => true;

    /// <inheritdoc />
    public override bool RecordsWork => true;

    /// <summary>Where kernels and copies run.</summary>
    public CudaStream Stream { get; }

    /// <summary>Matrix products by the vendor's library, which is loaded at the first of them.</summary>
    public CudaProducts Products { get; }

    /// <summary>
    /// Memory of the card for the kernel that is running: mark, allocate, launch, release. What a kernel put there may be
    /// overwritten by the next, which runs after it.
    /// </summary>
    public override Arena Scratch { get; }

    /// <summary>Bytes of the card that are free now.</summary>
    public long FreeBytes => Memory.FreeBytes() ?? 0;

    /// <summary>The driver's context.</summary>
    /// <exception cref="InvalidOperationException">The device is only planning.</exception>
    internal CudaContext Context => _context ?? throw new InvalidOperationException("a device that plans has no context");

    /// <summary>The kernels compiled for this card.</summary>
    internal CudaKernels Kernels => _kernels ?? throw new InvalidOperationException("a device that plans compiles no kernel");

    /// <summary>A device that only counts, for a card that need not be there.</summary>
    public static CudaDevice Planned(CudaCard card, DType activationType) => new(card, activationType, isPlanning: true);

    /// <inheritdoc />
    public override Device ForActivations(DType type) => type == ActivationType
        ? this
        : _sibling ??= _context is null ? Planned(Card, type) : new CudaDevice(Card.Ordinal, type);

    /// <inheritdoc />
    public override DeviceClock CreateClock() => _context is null ? base.CreateClock() : new CudaClock(this);

    /// <inheritdoc />
    public override RecordedWork Record(Action work) => CudaGraph.Capture(this, work);

    /// <inheritdoc />
    public override Device ForPlanning() => Planned(Card, ActivationType);

    /// <summary>A mark to put into <see cref="Stream"/>.</summary>
    /// <param name="timed">Whether times between marks are wanted.</param>
    public CudaEvent CreateEvent(bool timed = false) => new(Context, timed);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
        {
            return;
        }

        _disposed = true;
        _sibling?.Dispose();
        Scratch.Dispose();
        if (_context is { } context)
        {
            context.MakeCurrent();
            Stream.Finish();
            Products.Dispose();
            _memory!.Dispose();
            _kernels!.Dispose();
        }

        Stream.Dispose();
        _context?.Dispose();
    }

    private static CudaCard Find(int ordinal)
    {
        IReadOnlyList<CudaCard> cards = CudaCard.All();
        if (cards.Count == 0)
        {
            throw new NotSupportedException("the CUDA driver finds no card on this machine");
        }

        if (ordinal < 0 || ordinal >= cards.Count)
        {
            throw new NotSupportedException($"cuda:{ordinal} is not there: this machine has cuda:0 to cuda:{cards.Count - 1}");
        }

        return cards[ordinal].Objection() is { } objection ? throw new NotSupportedException(objection) : cards[ordinal];
    }
}
