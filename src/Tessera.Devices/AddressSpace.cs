using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>Large pieces of address space from the operating system.</summary>
/// <remarks>
/// Reserved space has no memory behind it: a page is taken when it is written, and reads as zeros before. That is what plans
/// are made on, with addresses far beyond the machine's memory. Linux grants it by mmap without a reservation of swap; elsewhere
/// the allocator's own lazy pages serve.
/// </remarks>
internal static unsafe partial class AddressSpace
{
    private const int ReadWrite = 0x1 | 0x2;
    private const int PrivateAnonymousNoReserve = 0x2 | 0x20 | 0x4000;
    private const nint Failed = -1;
    private const long HugePage = 2L << 20;
    private const int HugePageAdvice = 14;
    private const int NotNeededAdvice = 4;

    /// <summary>Zeroed address space without memory.</summary>
    /// <exception cref="InsufficientMemoryException">The operating system refuses.</exception>
    public static nint Reserve(long bytes)
    {
        if (!OperatingSystem.IsLinux())
        {
            return (nint)NativeMemory.AllocZeroed((nuint)bytes);
        }

        nint address = Map(0, (nuint)bytes, ReadWrite, PrivateAnonymousNoReserve, -1, 0);
        return address != Failed ? address : throw new InsufficientMemoryException();
    }

    /// <summary>Gives back what <see cref="Reserve"/> returned.</summary>
    public static void Return(nint address, long bytes)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Unmap(address, (nuint)bytes);
        }
        else
        {
            NativeMemory.Free((void*)address);
        }
    }

    /// <summary>
    /// Uninitialised memory; free it by <see cref="NativeMemory.AlignedFree"/>. Large pieces ask Linux for pages of 2 MiB, so that
    /// a product that walks many rows does not wait for address translation.
    /// </summary>
    /// <exception cref="OutOfMemoryException">The operating system refuses.</exception>
    public static nint Commit(long bytes, int alignment)
    {
        bool large = OperatingSystem.IsLinux() && bytes >= 2 * HugePage;
        nint address = (nint)NativeMemory.AlignedAlloc((nuint)bytes, large ? (nuint)HugePage : (nuint)alignment);
        if (large)
        {
            // A request: where the system has no such pages, ordinary ones serve.
            _ = Advise(address, (nuint)bytes, HugePageAdvice);
        }

        return address;
    }

    /// <summary>
    /// Gives the pages behind memory from <see cref="Commit"/> back and keeps its addresses; they return as zeros when they are
    /// next touched. Small pieces keep their pages, which they share with others.
    /// </summary>
    public static void Drop(nint address, long bytes)
    {
        if (OperatingSystem.IsLinux() && bytes >= 2 * HugePage)
        {
            _ = Advise(address, (nuint)(bytes & -HugePage), NotNeededAdvice);
        }
    }

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
