using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>
/// A bump allocator over unmanaged memory. Addresses handed out depend only on the sequence of calls since the last
/// <see cref="Reset"/>, so a training step finds its tensors at the same addresses as the step before.
/// </summary>
/// <remarks>
/// Invariants: every allocation is 64-byte aligned and followed by at least 64 readable bytes; chunks are never moved or
/// freed before <see cref="Dispose"/>; not safe for concurrent use. There is no finalizer: <see cref="LiveArenas"/> lets
/// tests find arenas that were not disposed.
/// </remarks>
public sealed unsafe class Arena : IDisposable
{
    /// <summary>Alignment of every allocation in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private const long MinimumChunkBytes = 1L << 20;
    private static int _liveArenas;
    private static long _liveBytes;

    private readonly List<(nint Address, long Bytes)> _chunks = [];
    private readonly string _name;
    private int _chunk;
    private long _offset;
    private bool _disposed;

    /// <summary>Creates an empty arena; memory is taken from the operating system on demand.</summary>
    public Arena(string name)
    {
        _name = name;
        Interlocked.Increment(ref _liveArenas);
    }

    /// <summary>Arenas of this process that have not been disposed.</summary>
    public static int LiveArenas => Volatile.Read(ref _liveArenas);

    /// <summary>Bytes held by all arenas of this process.</summary>
    public static long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>Bytes this arena holds, in use or not.</summary>
    public long CapacityBytes { get; private set; }

    /// <summary>A position to which <see cref="Release"/> can return.</summary>
    public (int Chunk, long Offset) Mark() => (_chunk, _offset);

    /// <summary>Gives back everything allocated since <paramref name="mark"/> was taken.</summary>
    public void Release((int Chunk, long Offset) mark) => (_chunk, _offset) = mark;

    /// <summary>Gives back everything; the memory stays with the arena.</summary>
    public void Reset() => Release((0, 0));

    /// <summary>Uninitialised memory.</summary>
    /// <exception cref="InsufficientMemoryException">The operating system refuses; the message names arena and size.</exception>
    public nint Allocate(long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        long padded = checked((bytes + (2 * Alignment) - 1) & ~(long)(Alignment - 1));
        while (_chunk < _chunks.Count)
        {
            var (address, size) = _chunks[_chunk];
            if (_offset + padded <= size)
            {
                nint result = address + (nint)_offset;
                _offset += padded;
                return result;
            }

            _chunk++;
            _offset = 0;
        }

        Grow(padded);
        _offset = padded;
        return _chunks[_chunk].Address;
    }

    /// <summary>Memory filled with zero bytes.</summary>
    public nint AllocateZeroed(long bytes)
    {
        nint result = Allocate(bytes);
        NativeMemory.Clear((void*)result, (nuint)bytes);
        return result;
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
        foreach (var (address, _) in _chunks)
        {
            NativeMemory.AlignedFree((void*)address);
        }

        Interlocked.Add(ref _liveBytes, -CapacityBytes);
        Interlocked.Decrement(ref _liveArenas);
        _chunks.Clear();
    }

    private void Grow(long bytes)
    {
        // Chunks double, so a growing step settles after a few steps; a large request gets a chunk of its own size.
        long chunkBytes = Math.Max(bytes, Math.Max(MinimumChunkBytes, Math.Min(CapacityBytes, 256L << 20)));
        try
        {
            _chunks.Add(((nint)NativeMemory.AlignedAlloc((nuint)chunkBytes, Alignment), chunkBytes));
        }
        catch (OutOfMemoryException)
        {
            throw new InsufficientMemoryException(
                $"arena '{_name}' cannot take {chunkBytes:N0} more bytes (it holds {CapacityBytes:N0})");
        }

        _chunk = _chunks.Count - 1;
        CapacityBytes += chunkBytes;
        Interlocked.Add(ref _liveBytes, chunkBytes);
    }
}
