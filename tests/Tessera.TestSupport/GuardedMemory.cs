using System.Runtime.InteropServices;
using Tessera.Devices;

namespace Tessera.TestSupport;

/// <summary>
/// The processor's memory, closed to everybody but kernels and the operations here, as a card's memory is: who reads or writes it
/// otherwise ends the process with the place in its message. What is taken is filled with NaN.
/// </summary>
public sealed unsafe partial class GuardedMemory : DeviceMemory
{
    private const int Closed = 0;
    private const int ReadWrite = 0x1 | 0x2;
    private const int PrivateAnonymous = 0x2 | 0x20;
    private const nint Failed = -1;

    private readonly List<(nint Address, long Bytes)> _pieces = [];
    private int _depth;

    /// <summary>How often it was opened.</summary>
    public long Openings { get; private set; }

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
        nint address = Map(0, (nuint)bytes, ReadWrite, PrivateAnonymous, -1, 0);
        if (address == Failed)
        {
            throw new InsufficientMemoryException();
        }

        new Span<byte>((void*)address, checked((int)bytes)).Fill(0xFF);
        _pieces.Add((address, bytes));
        if (_depth == 0)
        {
            Protect(Closed);
        }

        return address;
    }

    /// <inheritdoc />
    public override void Return(nint address, long bytes)
    {
        _pieces.Remove((address, bytes));
        _ = Unmap(address, (nuint)bytes);
    }

    /// <inheritdoc />
    public override void Upload(nint source, nint destination, long bytes) => Copy(source, destination, bytes);

    /// <inheritdoc />
    public override void Download(nint source, nint destination, long bytes) => Copy(source, destination, bytes);

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

    private void Protect(int protection)
    {
        foreach (var (address, bytes) in _pieces)
        {
            if (Protect(address, (nuint)bytes, protection) != 0)
            {
                throw new InvalidOperationException("memory cannot be protected");
            }
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
