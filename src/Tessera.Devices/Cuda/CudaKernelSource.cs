using System.Reflection;

namespace Tessera.Devices;

/// <summary>Where a kernel's code lies, and what specialises it.</summary>
public abstract class CudaKernelSource
{
    private static int _count;

    private protected CudaKernelSource(Assembly assembly, string file, string entry, string[] defines)
    {
        Assembly = assembly;
        File = file;
        Entry = entry;
        Defines = defines;
        Number = Interlocked.Increment(ref _count);
    }

    /// <summary>The source, such as <c>Residual.cu</c>.</summary>
    public string File { get; }

    /// <summary>The function.</summary>
    public string Entry { get; }

    /// <summary>Names that a variant gives numbers to.</summary>
    public IReadOnlyList<string> Defines { get; }

    /// <summary>
    /// Whether its blocks may come to the multiprocessors while the kernel before it still runs: it awaits that one's end itself, as
    /// <c>succession.cuh</c> says. Cards older than 9.0 start it afterwards.
    /// </summary>
    public bool StartsEarly { get; init; }

    /// <summary>Whether it streams through the first-level cache and uses little shared memory: it then runs with most of it as cache.</summary>
    public bool ReadsThroughCache { get; init; }

    /// <summary>Holds the source and the headers that it includes as resources.</summary>
    internal Assembly Assembly { get; }

    /// <summary>Tells kernels apart in this process.</summary>
    internal int Number { get; }

    /// <summary>A variant for people: <c>residual_add (A=1, B=0)</c>.</summary>
    internal string Describe(in KernelVariant variant)
    {
        KernelVariant values = variant;
        string text = string.Join(", ", Defines.Select((name, index) => $"{name}={(index < values.Count ? values[index] : 0)}"));
        return text.Length > 0 ? $"{Entry} ({text})" : Entry;
    }

    private protected string Describe(in KernelVariant variant, CudaExtent grid, CudaExtent threads, int sharedBytes) =>
        $"kernel {Describe(variant)} with {grid} blocks of {threads} threads and {sharedBytes:N0} shared bytes";
}
