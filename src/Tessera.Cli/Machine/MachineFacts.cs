using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ArmBase = System.Runtime.Intrinsics.Arm.AdvSimd;

namespace Tessera.Cli.Machine;

/// <summary>What this machine offers to the CPU engine.</summary>
/// <param name="Processor">Model name.</param>
/// <param name="Cores">Processors that this process may use.</param>
/// <param name="VectorBits">Width of the vectors that kernels use; 32 for none.</param>
/// <param name="InstructionSets">Vector instruction sets that the runtime uses.</param>
/// <param name="MemoryBytes">Memory that this process may use, container limits included.</param>
/// <param name="FreeMemoryBytes">Memory free now, or null where it is not known.</param>
/// <param name="Runtime">Version of .NET.</param>
/// <param name="System">Operating system and architecture.</param>
internal sealed record MachineFacts(
    string Processor, int Cores, int VectorBits, IReadOnlyList<string> InstructionSets, long MemoryBytes, long? FreeMemoryBytes,
    string Runtime, string System)
{
    public static MachineFacts Read() => new(
        ProcessorName(),
        Environment.ProcessorCount,
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 32,
        [.. Sets().Where(set => set.Supported).Select(set => set.Name)],
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        Tessera.Devices.AvailableMemory.Bytes(),
        RuntimeInformation.FrameworkDescription,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}");

    private static (string Name, bool Supported)[] Sets() =>
    [
        ("AVX-512F", Avx512F.IsSupported), ("AVX-512BW", Avx512BW.IsSupported), ("AVX-512 VBMI", Avx512Vbmi.IsSupported),
        ("AVX10.1", Avx10v1.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported), ("AVX", Avx.IsSupported),
        ("SSE4.2", Sse42.IsSupported), ("AdvSIMD", ArmBase.IsSupported),
    ];

    private static string ProcessorName()
    {
        const string Key = "model name";
        string? line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(text => text.StartsWith(Key, StringComparison.Ordinal))
            : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
