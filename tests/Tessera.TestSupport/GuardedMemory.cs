using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.TestSupport;

/// <summary>
/// The processor's memory, closed to everybody but kernels and the operations here, as a card's memory is: who reads or writes it
/// otherwise ends the process with the place in its message. What is taken is filled with NaN.
/// </summary>
/// <remarks>One range of addresses, so that one call opens all of it: a test opens it some hundred thousand times.</remarks>
public sealed unsafe partial class GuardedMemory : DeviceMemory, IDisposable
{
    private const int Closed = 0;
    private const int ReadWrite = 0x1 | 0x2;
    private const int PrivateAnonymousNoReserve = 0x2 | 0x20 | 0x4000;
    private const nint Failed = -1;
    private const long RangeBytes = 64L << 30;
    private const long Page = 4096;

    private readonly nint _range = Map(0, unchecked((nuint)RangeBytes), Closed, PrivateAnonymousNoReserve, -1, 0);
    private readonly Dictionary<long, Stack<nint>> _returned = [];
    private long _taken;
    private int _depth;

    /// <summary>How often it was opened.</summary>
    public long Openings { get; private set; }

    /// <summary>Whether it neither takes memory nor moves any from or to the host now: work is being recorded, or launched.</summary>
    public bool IsSealed { get; set; }

    /// <summary>Lets the processor in until <see cref="Close"/>; kernels call each other.</summary>
    public void Open()
    {
        Openings++;
        if (_depth++ == 0)
        {
            Protect(ReadWrite);
        }
    }

    /// <summary>Ends what the last <see cref="Open"/> began.</summary>
    public void Close()
    {
        if (--_depth == 0)
        {
            Protect(Closed);
        }
    }

    /// <inheritdoc />
    public override nint Take(long bytes)
    {
        RefuseWhileSealed("memory would grow");
        long pages = (bytes + Page - 1) / Page * Page;
        if (!_returned.TryGetValue(pages, out var pieces) || !pieces.TryPop(out nint address))
        {
            if (_range == Failed || _taken + pages > RangeBytes)
            {
                throw new InsufficientMemoryException();
            }

            address = _range + (nint)_taken;
            _taken += pages;
        }

        Open();
        if (_depth > 1)
        {
            Protect(ReadWrite);
        }

        new Span<byte>((void*)address, checked((int)bytes)).Fill(0xFF);
        Close();
        return address;
    }

    /// <inheritdoc />
    public override void Return(nint address, long bytes)
    {
        long pages = (bytes + Page - 1) / Page * Page;
        if (!_returned.TryGetValue(pages, out var pieces))
        {
            _returned[pages] = pieces = new Stack<nint>();
        }

        pieces.Push(address);
    }

    /// <inheritdoc />
    public override void Upload(nint source, nint destination, long bytes)
    {
        RefuseWhileSealed("an upload");
        Copy(source, destination, bytes);
    }

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes)
    {
        RefuseWhileSealed("a download");
        Copy(source, destination, bytes);
    }

    /// <inheritdoc />
    public override void Copy(nint source, nint destination, long bytes)
    {
        Open();
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);
        Close();
    }

    /// <inheritdoc />
    public override void Clear(nint destination, long bytes)
    {
        Open();
        NativeMemory.Clear((void*)destination, (nuint)bytes);
        Close();
    }

    /// <inheritdoc />
    public override void Synchronize()
    {
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (_range != Failed)
        {
            _ = Unmap(_range, unchecked((nuint)RangeBytes));
        }
    }

    private void RefuseWhileSealed(string what)
    {
        if (IsSealed)
        {
            throw new InvalidOperationException($"{what} is not possible while work is recorded or launched");
        }
    }

    private void Protect(int protection)
    {
        if (_taken > 0 && Protect(_range, (nuint)_taken, protection) != 0)
        {
            throw new InvalidOperationException("memory cannot be protected");
        }
    }

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);
}
