using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Puzzle.Costs;

/// <summary>The machine at hand as <see cref="Hardware"/>: its ceilings are measured in a few seconds.</summary>
public static class HardwareProbe
{
    /// <summary>The name of the machine at hand.</summary>
    public const string Name = "this";

    private const int Rounds = 9;

    // Checks of arguments, addresses of outputs, and the ends of shares that are not equal.
    private const double CallSeconds = 0.6e-6;

    /// <summary>Working sets from what every first-level cache holds to what none does.</summary>
    private static readonly long[] WorkingSets =
        [.. Enumerable.Range(0, 7).Select(step => 64L << (10 + (2 * step)))];

    /// <summary>Measures multiply-adds, reads and launches on all workers, or on the card.</summary>
    public static Hardware Measure(Device device)
    {
        using var ceilings = CeilingProbe.Of(device);
        double products = Best(ceilings, BenchCeiling.FusedMultiplyAdd);
        if (device is CudaDevice cuda)
        {
            var like = Hardware.Named[0];
            return like with
            {
                Name = Name,
                Label = cuda.Card.Name,
                // What the library reaches on a large square product; products of layers come a little below.
                Bf16Flops = products,
                ProductShare = 0.9,
                AttentionShare = 0.6,
                // A copy reads and writes; so does no kernel of a step, but none of them reads faster either.
                ReadRates = [(0, Best(ceilings, BenchCeiling.StreamCopy))],
                MemoryShare = 0.9,
                MemoryBytes = cuda.Card.TotalBytes,
            };
        }

        var processor = CpuDevice.From(device);
        return new Hardware
        {
            Name = Name,
            Label = $"{RuntimeInformation.OSArchitecture}, {processor.Workers.Count} threads",
            IsCard = false,
            F32Flops = products,
            Bf16Flops = products,
            ReadRates = WorkingSetProbe.ReadRates(processor, WorkingSets),
            MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            LaunchSeconds = WorkingSetProbe.LaunchSeconds(processor) + CallSeconds,
            ProductShare = 0.75,
            FewRows = 16,
            FewRowsShare = 0.4,
            AttentionShare = 0.15,
            AttentionRows = 6,
            MemoryShare = 0.85,
        };
    }

    private static double Best(CeilingProbe probe, BenchCeiling ceiling) =>
        Enumerable.Range(0, Rounds).Max(_ => probe.Rate(ceiling));
}
