using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public class BenchCaseTests
{
    [Fact]
    public void Every_case_makes_its_inputs_and_runs_where_only_kernels_reach_the_memory()
    {
        using var device = new GuardedDevice(2);
        var kinds = new HashSet<string>();
        foreach (BenchCase bench in KernelCatalog.Cases(new BenchTarget(device, BenchScale.Small)))
        {
            using var arena = device.CreateArena(bench.Shape);
            Action run = bench.Prepare(arena);
            run();
            run();
            kinds.Add(bench.Name);
        }

        Assert.Equal(KernelCatalog.Names.Order(), kinds.Order());
    }

    [Fact]
    public void The_rows_of_small_shapes_are_those_of_large_ones()
    {
        using var device = new CpuDevice(1);
        foreach (BenchScale scale in Enum.GetValues<BenchScale>())
        {
            BenchCase[] cases = [.. KernelCatalog.Cases(new BenchTarget(device, scale))];
            Assert.Equal(KernelCatalog.Names.Order(), cases.Select(bench => bench.Name).Distinct().Order());
            Assert.Equal(Operations(KernelCatalog.Cases(device)), Operations(cases));
            Assert.Empty(cases.GroupBy(bench => (bench.Name, bench.Shape, bench.DataType)).Where(group => group.Count() > 1).Select(group => group.Key));
            Assert.All(cases, bench => Assert.True(bench.Ceiling == BenchCeiling.None || bench.Work > 0, bench.Shape));
        }
    }

    [Fact]
    public void Shapes_for_a_card_hold_what_models_of_a_billion_parameters_do()
    {
        using var card = CudaDevice.Planned(new CudaCard(0, "NVIDIA H100 80GB HBM3", 9, 0, 80L << 30, 132, 227 << 10, 50 << 20, true), DType.BF16);
        BenchCase[] cases = [.. KernelCatalog.Cases(card)];
        foreach (string wanted in (string[])
            ["gemm 8192x8192x8192 bf16", "gemv 128256x4096 bf16", "attention forward 4x4096 H32 K8 E128 bf16", "attention backward 4x4096 H32 K8 E128 bf16",
                "attention decode 64 seq x 4096 keys H32 K8 E128 bf16", "row rmsnorm 16384x4096 bf16", "row rmsnorm-backward 16384x4096 bf16",
                "loss linear-cross-entropy 8192x2048x128256 bf16", "gemv 4096x14336 int8", "row adamw-mixed 33554432 f32", "fork-join smallest kernel"])
        {
            Assert.Contains(cases, bench => bench.Matches(wanted));
        }

        Assert.DoesNotContain(cases, bench => bench.Shape.Contains("quantize-blocks", StringComparison.Ordinal));
        Assert.Equal(989e12, PublishedPeaks.Bf16Flops("NVIDIA H100 80GB HBM3"));
        Assert.Equal(756e12, PublishedPeaks.Bf16Flops("NVIDIA H100 PCIe"));
        Assert.Null(PublishedPeaks.Bf16Flops("NVIDIA GeForce RTX 4090"));
    }

    [Fact]
    public void Cases_for_a_card_plan_on_it()
    {
        // Launchers and inputs run; nothing is computed, and memory is only counted.
        using var card = CudaDevice.Planned(new CudaCard(0, "card", 9, 0, 80L << 30, 132, 227 << 10, 50 << 20, true), DType.BF16);
        foreach (BenchCase bench in KernelCatalog.Cases(card))
        {
            using var arena = card.CreateArena(bench.Shape);
            bench.Prepare(arena)();
            Assert.True(arena.HighWaterBytes + card.Scratch.HighWaterBytes < 16L << 30, $"{bench.Name} {bench.Shape}: {arena.HighWaterBytes:N0}");
        }
    }

    /// <summary>What is done, without sizes.</summary>
    private static HashSet<string> Operations(IEnumerable<BenchCase> cases) =>
        [.. cases.Select(bench => $"{bench.Name} {bench.Shape.Split(' ')[0].TrimEnd("0123456789x".ToCharArray())}")];
}
