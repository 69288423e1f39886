using System.Diagnostics;
using Tessera.Devices;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

/// <summary>Measures the process's own time, so no other test may run beside it.</summary>
[Collection(nameof(ProcessorTime))]
public sealed class EngineHostIdleTests
{
    [Fact]
    public async Task An_idle_host_uses_no_processor_time()
    {
        using var device = new CpuDevice(1);
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var host = new EngineHost(new BatchEngine(device, model, new EngineSettings()));
        await foreach (var _ in host.GenerateAsync(
            [1], new GenerationSettings { MaxNewTokens = 2 }, null, TestContext.Current.CancellationToken))
        {
        }

        long steps = host.State.Steps;
        using var process = Process.GetCurrentProcess();
        await Task.Delay(300, TestContext.Current.CancellationToken);
        process.Refresh();
        var before = process.TotalProcessorTime;
        await Task.Delay(400, TestContext.Current.CancellationToken);
        process.Refresh();
        double used = (process.TotalProcessorTime - before).TotalMilliseconds;
        Assert.True(used < 200, $"the host spins: {used} ms");
        Assert.Equal(steps, host.State.Steps);
    }
}

/// <summary>Tests that run alone.</summary>
[CollectionDefinition(nameof(ProcessorTime), DisableParallelization = true)]
public sealed class ProcessorTime;
