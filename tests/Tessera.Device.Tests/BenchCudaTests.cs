using Tessera.Devices;
using Tessera.Inference.Measurement;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training.Measurement;

namespace Tessera.Device.Tests;

/// <summary>What <c>bench</c> measures, in small: every case runs, clocks and ceilings give plausible numbers.</summary>
[Trait("Category", Card.Category)]
public sealed class BenchCudaTests
{
    [Fact]
    public void Marks_measure_work_of_the_card_and_waiting_is_counted()
    {
        const long Bytes = 256 << 20;
        using var card = Card.Open();
        using var clock = card.CreateClock();
        using var arena = card.CreateArena("copies");
        nint source = arena.AllocateZeroed(Bytes), target = arena.Allocate(Bytes);
        card.Copy(source, target, Bytes);
        card.Synchronize();
        double waited = card.Memory.SecondsWaited;
        int first = clock.Mark();
        card.Copy(source, target, Bytes);
        int second = clock.Mark();
        card.Copy(source, target, Bytes);
        card.Copy(source, target, Bytes);
        int third = clock.Mark();
        card.Synchronize();
        double one = clock.Seconds(first, second), two = clock.Seconds(second, third);

        // Between 10 TB/s and 20 GB/s, read and written.
        Assert.InRange(one, 2.0 * Bytes / 10e12, 2.0 * Bytes / 20e9);
        Assert.InRange(two / one, 1.2, 3.5);
        Assert.Equal(one + two, clock.Seconds(first, third), 0.1 * (one + two));
        Assert.InRange(card.Memory.SecondsWaited - waited, 0.2 * (one + two), 1);
        clock.Reset();
        Assert.Equal(0, clock.Mark());
    }

    [Fact]
    public void Every_case_runs()
    {
        using var card = Card.Open(DType.BF16);
        var kinds = new HashSet<string>();
        foreach (BenchCase bench in KernelCatalog.Cases(new BenchTarget(card, BenchScale.Small)))
        {
            using var arena = card.CreateArena(bench.Shape);
            Action run = bench.Prepare(arena);
            run();
            run();
            card.Synchronize();
            kinds.Add(bench.Name);
        }

        Assert.Equal(KernelCatalog.Names.Order(), kinds.Order());
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Kernels_stand_beside_ceilings_of_the_same_run(DType type)
    {
        using var card = Card.Open(type);
        BenchCase[] cases =
        [
            .. KernelCatalog.Cases(card, "residual-add"),
            .. KernelCatalog.Cases(card, type == DType.BF16 ? "gemm 8192x8192x8192" : "gemm 4096x4096x4096"),
            .. KernelCatalog.Cases(new BenchTarget(card, BenchScale.Small), "gemv 64x48"),
            .. KernelCatalog.Cases(card, "fork-join"),
        ];
        Assert.InRange(cases.Length, 4, 16);
        foreach (BenchResult measured in KernelBench.Run(card, cases, secondsPerCase: 0))
        {
            Assert.Equal(0, measured.Threads);
            Assert.InRange(measured.Runs, 9, int.MaxValue);
            switch (measured.Name)
            {
                case "gemm":
                    // The same product by the same library, through our launcher.
                    Assert.InRange(measured.Ratio!.Value, 0.9, 1.1);
                    Assert.Equal(type == DType.BF16 && PublishedPeaks.Bf16Flops(card.Card.Name) is not null, measured.Details is not null);
                    break;
                case "row":
                    Assert.InRange(measured.Ratio!.Value, 0.5, 1.3);
                    break;
                case "gemv":
                    Assert.InRange(measured.Ratio!.Value, 0, 1.3);
                    break;
                default:
                    Assert.InRange(measured.Value, 500, 100_000);
                    break;
            }
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, "f32")]
    [InlineData(DType.F32, DType.BF16, "mixed")]
    [InlineData(DType.BF16, DType.BF16, "bf16")]
    public void Training_steps_are_measured_with_their_parts(DType master, DType activations, string precision)
    {
        using var card = Card.Open(activations);
        using var model = Decoder.Allocate(FamilyModels.Configurations["llama"], master, card);
        ModelInitializer.Fill(model, 1, card);
        using var bench = new TrainingBench(card, model, 2, 64, RecomputeLevel.None);
        BenchResult measured = bench.Run(3, "2x64");
        Assert.Equal((precision, 0, 3), (measured.DataType, measured.Threads, measured.Runs));
        Assert.InRange(measured.Ratio!.Value, 1e-9, 1);
        var details = measured.Details!;
        double[] parts = [.. ((string[])["forward", "losses", "backward", "optimizer"]).Select(part => details[$"{part}_seconds"])];
        Assert.All(parts, seconds => Assert.InRange(seconds, 1e-7, 10));
        Assert.InRange(parts.Sum() / details["step_seconds"], 0.3, 5);
        Assert.InRange(details["memory_used"], 1, details["memory_planned"]);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Steps_of_the_engine_are_measured_with_the_hosts_share(DType type)
    {
        using var card = Card.Open(type);
        using var model = Decoder.Allocate(FamilyModels.Configurations["llama"], type, card);
        ModelInitializer.Fill(model, 1, card);
        using var bench = new EngineBench(card, model, type, batch: 3, inputLength: 40, outputLength: 8);
        bench.Measure();
        EngineTime time = bench.Measure();
        Assert.Equal(3 / time.StepSeconds, time.TokensPerSecond, 0.01 * time.TokensPerSecond);
        Assert.InRange(time.HostSeconds, 1e-7, time.StepSeconds);
    }
}
