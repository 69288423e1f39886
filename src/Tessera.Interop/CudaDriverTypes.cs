using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>CUdevice_attribute.</summary>
internal enum CudaDeviceAttribute
{
    MaxSharedMemoryPerBlock = 8,
    MultiprocessorCount = 16,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptin = 97,
    VirtualMemoryManagementSupported = 102,
    L2CacheSize = 38,
}

/// <summary>CUfunction_attribute.</summary>
internal enum CudaFunctionAttribute
{
    MaxThreadsPerBlock = 0,
    SharedSizeBytes = 1,
    ConstSizeBytes = 2,
    LocalSizeBytes = 3,
    NumRegs = 4,
    MaxDynamicSharedSizeBytes = 8,
    PreferredSharedMemoryCarveout = 9,
    NonPortableClusterSizeAllowed = 14,
}

/// <summary>CUevent_flags.</summary>
[Flags]
internal enum CudaEventFlags : uint
{
    Default = 0,
    BlockingSync = 1,
    DisableTiming = 2,
}

/// <summary>CUstreamCaptureMode.</summary>
internal enum CudaCaptureMode
{
    Global = 0,
    ThreadLocal = 1,
    Relaxed = 2,
}

/// <summary>CUmemAllocationProp: physical memory of one card.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaAllocation
{
    /// <summary>CU_MEM_ALLOCATION_TYPE_PINNED.</summary>
    public const int Pinned = 1;

    public int Type;
    public int HandleTypes;
    public CudaLocation Location;
    public nint WindowsMetadata;
    public ulong Flags;

    /// <summary>Memory of the card with this number.</summary>
    public static CudaAllocation OnDevice(int device) => new() { Type = Pinned, Location = CudaLocation.OnDevice(device) };
}

/// <summary>CUmemLocation.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaLocation
{
    /// <summary>CU_MEM_LOCATION_TYPE_DEVICE.</summary>
    public const int Device = 1;

    public int Type;
    public int Number;

    public static CudaLocation OnDevice(int device) => new() { Type = Device, Number = device };
}

/// <summary>CUmemAccessDesc.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaAccess
{
    /// <summary>CU_MEM_ACCESS_FLAGS_PROT_READWRITE.</summary>
    public const int ReadWrite = 3;

    public CudaLocation Location;
    public int Flags;
}

/// <summary>CUlaunchConfig.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaLaunchConfig
{
    public uint GridX;
    public uint GridY;
    public uint GridZ;
    public uint BlockX;
    public uint BlockY;
    public uint BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public CudaLaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute: an identifier and 64 bytes whose meaning depends on it.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CudaLaunchAttribute
{
    /// <summary>CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION.</summary>
    public const int ClusterDimension = 4;

    /// <summary>CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION.</summary>
    public const int ProgrammaticStreamSerialization = 6;

    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public uint X;

    [FieldOffset(12)]
    public uint Y;

    [FieldOffset(16)]
    public uint Z;
}

/// <summary>CUgraphExecUpdateResultInfo.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaGraphUpdate
{
    public int Result;
    public nint Node;
    public nint FromNode;
}
