namespace Tessera.Devices;

/// <summary>
/// A bump allocator over unmanaged memory. Addresses handed out depend only on the sequence of calls since the last
/// <see cref="Reset"/>, so a training step finds its tensors at the same addresses as the step before.
/// </summary>
/// <remarks>
/// Invariants: every allocation is 64-byte aligned and followed by at least 64 readable bytes; chunks are never moved or
/// freed before <see cref="Dispose"/>; not safe for concurrent use. There is no finalizer: <see cref="LiveArenas"/> lets
/// tests find arenas that were not disposed. <see cref="Unmap"/> gives the memory back and keeps the addresses.
/// </remarks>
public sealed unsafe class Arena : IDisposable
{
    /// <summary>Alignment of every allocation in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private const long LargeBytes = 1L << 20;
    private const long Stagger = 1024;

    private const long MinimumChunkBytes = 1L << 20;
    private static int _liveArenas;
    private static long _liveBytes;
    private static long _peakBytes;

    private readonly List<Chunk> _chunks = [];
    private readonly ArenaRange _range;
    private int _chunk;
    private long _offset;
    private bool _disposed;

    /// <summary>Creates an empty arena in the processor's memory, which is taken on demand.</summary>
    public Arena(string name)
        : this(name, HostMemory.Instance)
    {
    }

    /// <summary>Creates an empty arena in a device's memory, which is taken on demand.</summary>
    public Arena(string name, DeviceMemory memory)
    {
        Name = name;
        Memory = memory;
        _range = memory.OpenRange();
        Interlocked.Increment(ref _liveArenas);
    }

    /// <summary>What its pieces are taken from, and what reads and writes there.</summary>
    public DeviceMemory Memory { get; }

    /// <summary>What it holds, for messages and plans.</summary>
    public string Name { get; }

    /// <summary>Arenas of this process that have not been disposed.</summary>
    public static int LiveArenas => Volatile.Read(ref _liveArenas);

    /// <summary>Bytes held by all arenas of this process, on all devices.</summary>
    public static long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>The most that <see cref="LiveBytes"/> was in this process.</summary>
    public static long PeakBytes => Interlocked.Read(ref _peakBytes);

    /// <summary>Bytes this arena holds, in use or not; unmapped ones included.</summary>
    public long CapacityBytes { get; private set; }

    /// <summary>Whether the memory is given back for now; see <see cref="Unmap"/>.</summary>
    public bool IsUnmapped { get; private set; }

    /// <summary>Bytes in use, as though the arena were one chunk.</summary>
    public long UsedBytes => _chunks.Count == 0 ? 0 : _chunks[_chunk].Start + _offset;

    /// <summary>
    /// The most <see cref="UsedBytes"/> there ever were: room for every sequence of calls so far, had it been reserved at once.
    /// </summary>
    public long HighWaterBytes { get; private set; }

    /// <summary>A position to which <see cref="Release"/> can return.</summary>
    public (int Chunk, long Offset) Mark() => (_chunk, _offset);

    /// <summary>Gives back everything allocated since <paramref name="mark"/> was taken.</summary>
    public void Release((int Chunk, long Offset) mark) => (_chunk, _offset) = mark;

    /// <summary>Gives back everything; the memory stays with the arena.</summary>
    public void Reset() => Release((0, 0));

    /// <summary>Uninitialised memory.</summary>
    /// <exception cref="InsufficientMemoryException">There is not enough; the message names arena and size.</exception>
    /// <exception cref="InvalidOperationException">The memory is unmapped.</exception>
    public nint Allocate(long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckMapped();
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        long padded = PaddedBytes(bytes);
        long used = UsedBytes;
        while (_chunk >= _chunks.Count || _offset + padded > _chunks[_chunk].Bytes)
        {
            if (_chunk + 1 < _chunks.Count)
            {
                _chunk++;
            }
            else
            {
                int before = _chunks.Count;
                Grow(padded);
                if (_chunks.Count == before)
                {
                    // The chunk itself has grown.
                    continue;
                }
            }

            // What is left of the chunk before is not counted: a chunk that holds all would have no such gap.
            _chunks[_chunk] = _chunks[_chunk] with { Start = used };
            _offset = 0;
        }

        nint result = _chunks[_chunk].Address + (nint)_offset;
        _offset += padded;
        HighWaterBytes = Math.Max(HighWaterBytes, used + padded);
        return result;
    }

    /// <summary>Memory filled with zero bytes.</summary>
    public nint AllocateZeroed(long bytes)
    {
        nint result = Allocate(bytes);
        Memory.Clear(result, bytes);
        return result;
    }

    /// <summary>Bytes that an allocation of <paramref name="bytes"/> takes, alignment and readable tail included.</summary>
    /// <remarks>
    /// A large one takes a little more: tensors have round sizes, and a kernel that walks two of them at the same place of a page
    /// finds both in the same sets of the caches and banks of the memory, which took up to a quarter of its speed.
    /// </remarks>
    public static long PaddedBytes(long bytes) =>
        checked((bytes + (bytes < LargeBytes ? 0 : Stagger) + (2 * Alignment) - 1) & ~(long)(Alignment - 1));

    /// <summary>Takes one chunk for everything that is going to be allocated, so that nothing grows step by step.</summary>
    /// <param name="bytes">A <see cref="HighWaterBytes"/> that was planned.</param>
    /// <exception cref="InsufficientMemoryException">There is not enough; the message names arena and size.</exception>
    public void Reserve(long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (CapacityBytes == 0 && bytes > 0)
        {
            AddChunk(bytes, bytes);
        }
    }

    /// <summary>
    /// Gives the memory back until <see cref="Remap"/> and keeps every address: a phase that does not need what lies here
    /// leaves room for another. The contents are lost.
    /// </summary>
    public void Unmap()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!IsUnmapped)
        {
            _range.Unmap();
            IsUnmapped = true;
            Count(-CapacityBytes);
        }
    }

    /// <summary>Takes the memory again, at the same addresses; its contents are undefined.</summary>
    /// <exception cref="InsufficientMemoryException">There is not enough; the arena stays unmapped.</exception>
    public void Remap()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (IsUnmapped)
        {
            Try(CapacityBytes, _range.Remap);
            IsUnmapped = false;
            Count(CapacityBytes);
        }
    }

    /// <summary>Uninitialised room for <paramref name="count"/> floats.</summary>
    public float* Floats(long count) => (float*)Allocate(checked(count * sizeof(float)));

    /// <inheritdoc />
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _range.Dispose();
        Count(IsUnmapped ? 0 : -CapacityBytes);
        Interlocked.Decrement(ref _liveArenas);
        _chunks.Clear();
    }

    private void Grow(long bytes)
    {
        // Chunks double, so a growing step settles after a few steps; a large request gets a chunk of its own size.
        long wanted = Math.Max(MinimumChunkBytes, Math.Min(CapacityBytes, 256L << 20));
        if (_range.IsContiguous && _chunks.Count > 0)
        {
            bytes = _offset + bytes - _chunks[^1].Bytes;
        }

        AddChunk(bytes, Math.Max(bytes, wanted));
        _chunk = _chunks.Count - 1;
    }

    private void AddChunk(long needed, long wanted)
    {
        (nint address, long bytes) = (0, 0);
        Try(needed, () => (address, bytes) = _range.Take(needed, wanted));
        if (_range.IsContiguous && _chunks.Count > 0)
        {
            _chunks[^1] = _chunks[^1] with { Bytes = _chunks[^1].Bytes + bytes };
        }
        else
        {
            _chunks.Add(new Chunk(address, bytes, 0));
        }

        CapacityBytes += bytes;
        Count(bytes);
    }

    private void Try(long bytes, Action take)
    {
        try
        {
            take();
        }
        catch (OutOfMemoryException)
        {
            long held = IsUnmapped ? 0 : CapacityBytes;
            throw new InsufficientMemoryException(
                $"arena '{Name}' cannot take {bytes:N0} more bytes (it holds {held:N0}{Memory.DescribeFree()})");
        }
    }

    private void CheckMapped()
    {
        if (IsUnmapped)
        {
            throw new InvalidOperationException($"arena '{Name}' is unmapped");
        }
    }

    private void Count(long bytes)
    {
        long live = Interlocked.Add(ref _liveBytes, Memory.IsPlanning ? 0 : bytes), peak = Interlocked.Read(ref _peakBytes);
        while (live > peak)
        {
            long seen = Interlocked.CompareExchange(ref _peakBytes, live, peak);
            peak = seen == peak ? live : seen;
        }
    }

    /// <summary>A piece of memory; <paramref name="Start"/> is what was in use when the arena went on into it.</summary>
    private readonly record struct Chunk(nint Address, long Bytes, long Start);
}
