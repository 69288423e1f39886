using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Blocks;

/// <summary>
/// Keys and values of several sequences in pages of 64 positions, layer by layer in each layer's own geometry; layers without
/// attention hold nothing.
/// </summary>
/// <remarks>
/// All layers share one table of pages a sequence: page b of a layer of width w lies at base + b·64·w. Which pages belong to which
/// sequence is decided outside (<see cref="Assign"/>) or, with the constructor for a fixed number of sequences, once and for all.
/// </remarks>
public sealed unsafe class KeyValueCache : IDisposable
{
    /// <summary>Positions of one page.</summary>
    public const int PagePositions = AttentionSegment.PagePositions;

    private readonly Arena _arena;
    private readonly LayerStore[] _layers;
    private readonly int[] _lengths;
    private readonly int[] _pages;
    private readonly int[] _uploadedPages;
    private readonly int[] _tables;
    private readonly int* _deviceTables;
    private readonly int _pagesPerSequence;
    private AttentionSegment[] _segments = [];
    private StepBatch? _prepared;

    /// <summary>Takes room for <paramref name="sequences"/> × <paramref name="capacity"/> positions, pages assigned.</summary>
    /// <param name="configuration">The model.</param>
    /// <param name="sequences">Sequences at the same time.</param>
    /// <param name="capacity">Most positions of a sequence.</param>
    /// <param name="type">f32 or bf16.</param>
    /// <param name="memory">Where it lies; null for the processor's memory.</param>
    public KeyValueCache(
        ModelConfiguration configuration, int sequences, int capacity, DType type, DeviceMemory? memory = null)
        : this(configuration, sequences, capacity, checked(PagesOf(capacity) * sequences), type, memory)
    {
        for (int slot = 0; slot < sequences; slot++)
        {
            for (int i = 0; i < _pagesPerSequence; i++)
            {
                Assign(slot, (slot * _pagesPerSequence) + i);
            }
        }
    }

    private KeyValueCache(
        ModelConfiguration configuration, int sequences, int capacity, int pages, DType type, DeviceMemory? memory)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(pages, 1);
        _arena = new Arena("key-value cache", memory ?? HostMemory.Instance);
        Type = type;
        Capacity = capacity;
        TotalPages = pages;
        _lengths = new int[sequences];
        _pages = new int[sequences];
        _pagesPerSequence = PagesOf(capacity);
        _uploadedPages = new int[sequences];
        _tables = new int[checked(sequences * _pagesPerSequence)];
        _deviceTables = (int*)_arena.Allocate((long)_tables.Length * sizeof(int));
        _layers = new LayerStore[configuration.Layers.Length];
        for (int i = 0; i < _layers.Length; i++)
        {
            if (configuration.Layers[i].Mixer is AttentionConfiguration attention)
            {
                int width = attention.KvHeadCount * configuration.HeadDim;
                long bytes = (long)pages * PagePositions * width * type.Bytes();
                _layers[i] = new LayerStore(_arena.Allocate(bytes), _arena.Allocate(bytes), width);
                Bytes += 2 * bytes;
            }
        }
    }

    /// <summary>Storage of keys and values: f32 or bf16.</summary>
    public DType Type { get; }

    /// <summary>Most positions of a sequence.</summary>
    public int Capacity { get; }

    /// <summary>Sequences it can hold.</summary>
    public int Sequences => _lengths.Length;

    /// <summary>Pages it holds.</summary>
    public int TotalPages { get; }

    /// <summary>Bytes of keys and values.</summary>
    public long Bytes { get; }

    /// <summary>Takes room for <paramref name="pages"/> pages that sequences are given as they grow.</summary>
    /// <param name="configuration">The model.</param>
    /// <param name="sequences">Sequences at the same time.</param>
    /// <param name="capacity">Most positions of a sequence.</param>
    /// <param name="pages">Pages for all of them together.</param>
    /// <param name="type">f32 or bf16.</param>
    /// <param name="memory">Where it lies; null for the processor's memory.</param>
    public static KeyValueCache Shared(
        ModelConfiguration configuration, int sequences, int capacity, int pages, DType type, DeviceMemory? memory = null) =>
        new(configuration, sequences, capacity, pages, type, memory);

    /// <summary>Pages that so many positions need.</summary>
    public static int PagesOf(int positions) => (int)(((long)positions + PagePositions - 1) / PagePositions);

    /// <summary>Bytes of one page over all layers, keys and values.</summary>
    public static long PageBytes(ModelConfiguration configuration, DType type) => configuration.Layers
        .Select(layer => layer.Mixer).OfType<AttentionConfiguration>()
        .Sum(attention => 2L * PagePositions * attention.KvHeadCount * configuration.HeadDim * type.Bytes());

    /// <summary>Positions stored of a sequence.</summary>
    public int Length(int slot) => _lengths[slot];

    /// <summary>Gives a sequence one more page.</summary>
    /// <exception cref="InvalidOperationException">The page does not exist or the sequence has all it can use.</exception>
    public void Assign(int slot, int page)
    {
        if ((uint)page >= (uint)TotalPages || _pages[slot] == _pagesPerSequence)
        {
            throw new InvalidOperationException(
                $"sequence {slot} has {_pages[slot]} of {_pagesPerSequence} pages and cannot take page {page} of {TotalPages}");
        }

        _tables[(slot * _pagesPerSequence) + _pages[slot]++] = page;
    }

    /// <summary>Forgets a sequence and takes its pages away.</summary>
    public void Release(int slot)
    {
        _lengths[slot] = 0;
        _pages[slot] = 0;
        _uploadedPages[slot] = 0;
    }

    /// <summary>Forgets a sequence's positions from <paramref name="length"/> on; its pages stay.</summary>
    public void Truncate(int slot, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, _lengths[slot]);
        _lengths[slot] = length;
    }

    /// <summary>Says that a step has stored a sequence's next positions in every layer.</summary>
    /// <exception cref="InvalidOperationException">The sequence would outgrow the cache.</exception>
    public void Advance(int slot, int count)
    {
        EnsureRoom(slot, count);
        _lengths[slot] += count;
    }

    /// <summary>Says that a step was computed: every layer has stored its positions.</summary>
    /// <exception cref="InvalidOperationException">A sequence would outgrow the cache.</exception>
    public void Advance(StepBatch step)
    {
        foreach (var span in step.Spans)
        {
            Advance(span.Slot, span.Count);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    /// <summary>The sequences of the present step, in the memory of the cache; see <see cref="Prepare"/>.</summary>
    internal AttentionSegment* Segments { get; private set; }

    /// <summary>What the host knows of them.</summary>
    internal AttentionBounds Bounds { get; private set; }

    /// <summary>
    /// Brings to the device what all layers of a step need to know: which sequences it continues, and where their pages lie. A
    /// forward does it itself where nobody did it before.
    /// </summary>
    /// <param name="arena">Owner of the segments, which must last as long as the step's ids.</param>
    /// <param name="step">The step, whose sequences have their pages.</param>
    public void Prepare(Arena arena, StepBatch step)
    {
        if (ReferenceEquals(_prepared, step))
        {
            return;
        }

        _prepared = step;
        var spans = step.Spans;
        int padding = step.Tokens - step.CoveredRows;
        int count = spans.Length + padding;
        if (_segments.Length < count)
        {
            _segments = new AttentionSegment[count];
        }

        for (int i = 0; i < spans.Length; i++)
        {
            var span = spans[i];
            UploadTable(span.Slot);
            _segments[i] = new AttentionSegment
            {
                QueryStart = span.Start,
                QueryCount = span.Count,
                KeyCount = span.Past + span.Count,
                Pages = _deviceTables + (span.Slot * (long)_pagesPerSequence),
            };
        }

        for (int i = 0; i < padding; i++)
        {
            // A row without a sequence: no query, no key.
            _segments[spans.Length + i] = new AttentionSegment { QueryStart = step.CoveredRows + i, Pages = _deviceTables };
        }

        var segments = _segments.AsSpan(0, count);
        Segments = (AttentionSegment*)arena.Allocate((long)count * sizeof(AttentionSegment));
        Bounds = AttentionBounds.Of(segments);
        if (step.Extent != default)
        {
            Bounds = Bounds with { Tokens = step.Extent.Rows, LongestKeys = step.Extent.Positions };
        }

        arena.Memory.Upload<AttentionSegment>(segments, (nint)Segments);
    }

    /// <summary>Brings the pages that a sequence has been given since the last time to the device.</summary>
    private void UploadTable(int slot)
    {
        int first = _uploadedPages[slot], count = _pages[slot] - first, start = (slot * _pagesPerSequence) + first;
        if (count > 0)
        {
            _arena.Memory.Upload<int>(_tables.AsSpan(start, count), (nint)(_deviceTables + start));
            _uploadedPages[slot] += count;
        }
    }

    internal void EnsureRoom(int slot, int count)
    {
        int room = (int)Math.Min(Capacity, (long)_pages[slot] * PagePositions);
        if (count > room - _lengths[slot])
        {
            throw new InvalidOperationException(
                $"sequence {slot} holds {_lengths[slot]} positions, {count} more do not fit a cache of {room}");
        }
    }

    /// <summary>A layer's row 0 of keys and values, position 0 of page 0.</summary>
    internal (Elements Keys, Elements Values) Store(int layer) =>
        (new Elements(_layers[layer].Keys, Type), new Elements(_layers[layer].Values, Type));

    private readonly record struct LayerStore(nint Keys, nint Values, int Width);
}
