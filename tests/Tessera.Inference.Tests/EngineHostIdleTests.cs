using System.Globalization;
using Tessera.Devices;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

/// <summary>Looks at the threads named "engine" of the process, so no other host may run beside it.</summary>
[Collection(nameof(EngineThreads))]
public sealed class EngineHostIdleTests
{
    [Fact]
    public async Task An_idle_host_uses_no_processor_time()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the time of a thread is read from /proc");
        using var device = new CpuDevice(1);
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var host = new EngineHost(new BatchEngine(device, model, new EngineSettings()));
        await foreach (var _ in host.GenerateAsync(
            [1], new GenerationSettings { MaxNewTokens = 2 }, null, TestContext.Current.CancellationToken))
        {
        }

        await Task.Delay(100, TestContext.Current.CancellationToken);
        long steps = host.State.Steps;
        long before = Ticks();
        await Task.Delay(500, TestContext.Current.CancellationToken);

        // A hundredth of a second each: a thread that spins would have used fifty.
        Assert.InRange(Ticks() - before, 0, 5);
        Assert.Equal(steps, host.State.Steps);
    }

    /// <summary>User and system time of the engine's thread, in clock ticks.</summary>
    private static long Ticks()
    {
        string[] threads = [.. Directory.GetDirectories("/proc/self/task").Where(
            folder => File.ReadAllText(Path.Combine(folder, "comm")).Trim() == "engine")];
        string fields = File.ReadAllText(Path.Combine(Assert.Single(threads), "stat"));

        // The name in parentheses may hold anything; behind it, utime and stime are the 12th and 13th field.
        string[] behind = fields[(fields.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(behind[11], CultureInfo.InvariantCulture) + long.Parse(behind[12], CultureInfo.InvariantCulture);
    }
}

/// <summary>Tests that run alone.</summary>
[CollectionDefinition(nameof(EngineThreads), DisableParallelization = true)]
public sealed class EngineThreads;
