using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Tessera.Models.Checkpoints;

/// <summary>A file mapped read-only as a whole: data is paged in when it is touched, and copied nowhere.</summary>
/// <remarks>
/// The address is valid until <see cref="Dispose"/>. The file may be replaced by a rename while it is mapped; a program that
/// shortens it in place makes later reads of the lost pages fault. No file descriptor stays open.
/// </remarks>
public sealed unsafe partial class MappedFile : IDisposable
{
    private const int AdviceRandom = 1;
    private const int AdviceSequential = 2;
    private const int AdviceWillNeed = 3;
    private const int AdviceDontNeed = 4;

    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _start;
    private bool _disposed;

    private MappedFile(string path, long length, MemoryMappedViewAccessor? view, bool inOrder)
    {
        FilePath = path;
        Length = length;
        _view = view;
        if (view is not null)
        {
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            _start = start + view.PointerOffset;
            Advise(0, length, inOrder ? AdviceSequential : AdviceRandom);
        }
    }

    /// <summary>The path it was opened by.</summary>
    public string FilePath { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The first byte; nothing may be read where the file is empty.</summary>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _start;
        }
    }

    /// <summary>Maps an open file from its first byte to its last; the stream may be closed afterwards.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="path">Its name, for messages.</param>
    /// <param name="inOrder">Whether it will be read from front to back, so that the system reads ahead, or in any order.</param>
    public static MappedFile Map(FileStream stream, string path, bool inOrder = true)
    {
        if (stream.Length == 0)
        {
            return new MappedFile(path, 0, null, inOrder);
        }

        using var map = MemoryMappedFile.CreateFromFile(
            stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        return new MappedFile(path, stream.Length, map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read), inOrder);
    }

    /// <summary>Opens and maps a file.</summary>
    /// <exception cref="InvalidDataException">There is no such file.</exception>
    /// <inheritdoc cref="Map" path="/param" />
    public static MappedFile Open(string path, bool inOrder = true)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: there is no such file");
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        return Map(stream, path, inOrder);
    }

    /// <summary>Asks the system to begin reading a range ahead of its use.</summary>
    public void WillNeed(long offset, long bytes) => Advise(offset, bytes, AdviceWillNeed);

    /// <summary>Lets go of a range that was used, so that it no longer counts as this process's memory; a later read pages it in again.</summary>
    public void Release(long offset, long bytes) => Advise(offset, bytes, AdviceDontNeed);

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _view?.SafeMemoryMappedViewHandle.ReleasePointer();
            _view?.Dispose();
        }
    }

    // Advice goes by pages. Only whole pages inside the range are named, so a neighbour's page is never let go. A refusal
    // changes nothing but speed.
    private void Advise(long offset, long bytes, int advice)
    {
        if (!OperatingSystem.IsLinux() || _view is null || _disposed)
        {
            return;
        }

        long page = Environment.SystemPageSize;
        long first = (long)_start + offset;
        long aligned = advice == AdviceDontNeed ? (first + page - 1) / page * page : first / page * page;
        long end = (long)_start + Math.Min(offset + bytes, Length);
        end = advice == AdviceDontNeed ? end / page * page : end;
        if (end > aligned)
        {
            _ = NativeAdvise((nint)aligned, (nuint)(end - aligned), advice);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeAdvise(nint address, nuint length, int advice);
}
