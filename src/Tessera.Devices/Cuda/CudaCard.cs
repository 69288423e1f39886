using System.Text;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>A card as its driver describes it.</summary>
/// <param name="Ordinal">Its number: N of <c>cuda:N</c>.</param>
/// <param name="Name">What NVIDIA calls it.</param>
/// <param name="Major">Compute capability, first part.</param>
/// <param name="Minor">Compute capability, second part.</param>
/// <param name="TotalBytes">Memory.</param>
/// <param name="Multiprocessors">Streaming multiprocessors.</param>
/// <param name="SharedBytes">The most shared memory that a block can ask for.</param>
/// <param name="CacheBytes">Second-level cache.</param>
/// <param name="MapsMemory">Whether memory can be mapped into reserved addresses.</param>
public sealed record CudaCard(
    int Ordinal, string Name, int Major, int Minor, long TotalBytes, int Multiprocessors, int SharedBytes, long CacheBytes, bool MapsMemory)
{
    /// <summary>The oldest generation that kernels are written for: Ampere.</summary>
    public const int OldestMajor = 8;

    /// <summary>
    /// What code is compiled for, such as <c>sm_90a</c>. From 9.0 on the letter admits instructions of this generation alone;
    /// code is never taken to another card.
    /// </summary>
    public string Architecture => $"sm_{Major}{Minor}{(Major >= 9 ? "a" : string.Empty)}";

    /// <summary>Whether a kernel can start before the one before it has ended (programmatic dependent launch).</summary>
    public bool StartsKernelsEarly => Major >= 9;

    /// <summary>Whether it converts and multiplies E4M3: compute capability 8.9 (Ada) and newer.</summary>
    public bool HasFp8 => Major > 8 || (Major == 8 && Minor >= 9);

    /// <summary>All cards of this machine, in the driver's order; none where there is a driver and no card.</summary>
    /// <exception cref="NotSupportedException">There is no driver, or it is too old; the message is one sentence.</exception>
    public static IReadOnlyList<CudaCard> All()
    {
        RequireDriver();
        CudaStatus status = CudaDriver.Init(0);
        if (status == CudaStatus.NoDevice)
        {
            return [];
        }

        Check(status, "cuInit");
        Check(CudaDriver.DeviceGetCount(out int count), "cuDeviceGetCount");
        return [.. Enumerable.Range(0, count).Select(Read)];
    }

    /// <summary>The driver's version as it counts: 13000 is CUDA 13.0.</summary>
    /// <exception cref="NotSupportedException">There is no driver.</exception>
    public static int DriverVersion()
    {
        try
        {
            Check(CudaDriver.DriverGetVersion(out int version), "cuDriverGetVersion");
            return version;
        }
        catch (DllNotFoundException missing)
        {
            throw new NotSupportedException(missing.Message, missing);
        }
    }

    /// <summary>Why this card cannot be used, as one sentence; null where it can.</summary>
    public string? Objection() =>
        Major < OldestMajor ? $"{Name} has compute capability {Major}.{Minor}, and {OldestMajor}.0 or newer is needed"
        : !MapsMemory ? $"{Name} cannot map memory into reserved addresses here"
        : null;

    private static void RequireDriver()
    {
        int version = DriverVersion();
        if (version < NativeLibraries.OldestDriver)
        {
            throw new NotSupportedException(
                $"the CUDA driver serves CUDA {version / 1000}.{version % 1000 / 10}, and 12.0 or newer is needed");
        }
    }

    private static unsafe CudaCard Read(int ordinal)
    {
        const int NameBytes = 256;
        Check(CudaDriver.DeviceGet(out int device, ordinal), "cuDeviceGet");
        byte* name = stackalloc byte[NameBytes];
        Check(CudaDriver.DeviceGetName(name, NameBytes, device), "cuDeviceGetName");
        Check(CudaDriver.DeviceTotalMem(out nuint bytes, device), "cuDeviceTotalMem");
        return new CudaCard(
            ordinal,
            Encoding.UTF8.GetString(name, new ReadOnlySpan<byte>(name, NameBytes).IndexOf((byte)0)),
            Attribute(device, CudaDeviceAttribute.ComputeCapabilityMajor),
            Attribute(device, CudaDeviceAttribute.ComputeCapabilityMinor),
            (long)bytes,
            Attribute(device, CudaDeviceAttribute.MultiprocessorCount),
            Attribute(device, CudaDeviceAttribute.MaxSharedMemoryPerBlockOptin),
            Attribute(device, CudaDeviceAttribute.L2CacheSize),
            Attribute(device, CudaDeviceAttribute.VirtualMemoryManagementSupported) != 0);
    }

    private static int Attribute(int device, CudaDeviceAttribute attribute)
    {
        Check(CudaDriver.DeviceGetAttribute(out int value, attribute, device), "cuDeviceGetAttribute");
        return value;
    }

    private static void Check(CudaStatus status, string call)
    {
        if (status != CudaStatus.Success)
        {
            throw new CudaException(call, (int)status, $"{call} failed: {CudaDriver.Describe(status)}");
        }
    }
}
