using Tessera.Devices;

namespace Tessera.Puzzle.Costs;

/// <summary>What a roofline has to know of a machine: how fast it multiplies, how fast it reads, what starting a kernel costs.</summary>
/// <remarks>
/// Rates are ceilings; the shares say how much of them real kernels reach. For named cards the ceilings are the makers' data
/// sheets (dense, f32 sums) and the shares are ours: the share of memory and the price of a launch are fitted to one measurement,
/// the bf16 decode of the Llama-3.1-8B shape at batch 1 on an H100, and the share of products is what cuBLASLt reaches there on the
/// shapes of such layers. They are checked against measurements that they were not fitted to (RooflineTests).
/// </remarks>
public sealed record Hardware
{
    /// <summary>What is typed on a command line.</summary>
    public required string Name { get; init; }

    /// <summary>What reports print.</summary>
    public required string Label { get; init; }

    /// <summary>Whether it is a card, where activations are stored as weights are; a processor's are f32.</summary>
    public required bool IsCard { get; init; }

    /// <summary>Operations per second of f32 products.</summary>
    public required double F32Flops { get; init; }

    /// <summary>Operations per second of bf16 products with f32 sums.</summary>
    public required double Bf16Flops { get; init; }

    /// <summary>Bytes per second that are read of a working set of so many bytes, from the smallest; the last holds beyond it.</summary>
    public required IReadOnlyList<(long Bytes, double Rate)> ReadRates { get; init; }

    /// <summary>Bytes of memory that weights, cache and activations may take.</summary>
    public required double MemoryBytes { get; init; }

    /// <summary>Seconds between the ends of two kernels that have next to nothing to do.</summary>
    public required double LaunchSeconds { get; init; }

    /// <summary>Seconds of a step beside its kernels: scheduling, upload of ids, download of tokens.</summary>
    public double StepSeconds { get; init; }

    /// <summary>Share of <see cref="F32Flops"/> or <see cref="Bf16Flops"/> that products of many rows reach.</summary>
    public required double ProductShare { get; init; }

    /// <summary>Rows below which products reach <see cref="FewRowsShare"/> alone; 0 where there is no such difference.</summary>
    public int FewRows { get; init; }

    /// <summary>Share that products of few rows reach.</summary>
    public double FewRowsShare { get; init; } = 1;

    /// <summary>Share that attention reaches.</summary>
    public required double AttentionShare { get; init; }

    /// <summary>Queries that attention takes at a time for one key head; where a generated token has fewer, the others are computed for nothing.</summary>
    public int AttentionRows { get; init; } = 1;

    /// <summary>Share of <see cref="ReadRates"/> that kernels which only read reach.</summary>
    public required double MemoryShare { get; init; }

    /// <summary>The cards that are known by name.</summary>
    public static IReadOnlyList<Hardware> Named { get; } =
    [
        Card("h100", "NVIDIA H100 80GB SXM", bf16: 989e12, f32: 67e12, bytesPerSecond: 3.35e12, memory: 80e9),
        Card("h200", "NVIDIA H200 141GB SXM", bf16: 989e12, f32: 67e12, bytesPerSecond: 4.8e12, memory: 141e9),
        Card("a100", "NVIDIA A100 80GB SXM", bf16: 312e12, f32: 19.5e12, bytesPerSecond: 2.039e12, memory: 80e9),
        Card("rtx4090", "NVIDIA GeForce RTX 4090", bf16: 165.2e12, f32: 82.6e12, bytesPerSecond: 1.008e12, memory: 24e9),
    ];

    /// <summary>The card of a name.</summary>
    /// <param name="name">For instance <c>h100</c>.</param>
    /// <param name="option">Named in the message.</param>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public static Hardware Find(string name, string option) =>
        Named.FirstOrDefault(hardware => hardware.Name == name) ?? throw new ArgumentException(
            $"{option} {name}: expected one of {string.Join(", ", Named.Select(hardware => hardware.Name))}, or {HardwareProbe.Name} for this machine");

    /// <summary>Operations per second of products of so many rows with weights that are stored in a type.</summary>
    public double ProductRate(DType storage, long rows) => Flops(storage) * (rows < FewRows ? FewRowsShare : ProductShare);

    /// <summary>Operations per second of attention.</summary>
    /// <param name="storage">Storage of keys and values.</param>
    /// <param name="queries">Queries there are for a key head at a time.</param>
    public double AttentionRate(DType storage, double queries) =>
        Flops(storage) * AttentionShare * Math.Min(1, queries / AttentionRows);

    /// <summary>Bytes of an element of activations beside weights of a type.</summary>
    public int ActivationBytes(DType storage) => IsCard && storage != DType.F32 ? 2 : sizeof(float);

    /// <summary>Bytes per second that kernels read where so many bytes are read in turn; between two measured sets on a line of logarithms.</summary>
    public double ReadRate(double workingSet)
    {
        var rates = ReadRates;
        int upper = 0;
        while (upper < rates.Count && rates[upper].Bytes < workingSet)
        {
            upper++;
        }

        if (upper == 0 || upper == rates.Count)
        {
            return MemoryShare * rates[Math.Min(upper, rates.Count - 1)].Rate;
        }

        var (low, high) = (rates[upper - 1], rates[upper]);
        double part = Math.Log(workingSet / low.Bytes) / Math.Log((double)high.Bytes / low.Bytes);
        return MemoryShare * Math.Exp(Math.Log(low.Rate) + (part * Math.Log(high.Rate / low.Rate)));
    }

    private double Flops(DType storage) => storage == DType.F32 ? F32Flops : Bf16Flops;

    private static Hardware Card(string name, string label, double bf16, double f32, double bytesPerSecond, double memory) => new()
    {
        Name = name,
        Label = label,
        IsCard = true,
        F32Flops = f32,
        Bf16Flops = bf16,
        ReadRates = [(0, bytesPerSecond)],
        MemoryBytes = memory,
        LaunchSeconds = 1.7e-6,
        StepSeconds = 3e-5,
        ProductShare = 0.7,
        AttentionShare = 0.45,
        MemoryShare = 0.8,
    };
}
