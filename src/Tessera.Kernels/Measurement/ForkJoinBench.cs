using System.Diagnostics;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>
/// The price of starting all workers and waiting for them: a kernel body that does nothing. On a card the price of one kernel behind
/// another, which is what its launch costs the host where the kernel itself is short.
/// </summary>
internal static unsafe class ForkJoinBench
{
    /// <summary>Back to back, as inside a step, and after pauses of the caller that let workers fall asleep.</summary>
    public static IEnumerable<BenchCase> Cases(BenchTarget target)
    {
        if (target.Device is not CpuDevice cpu)
        {
            yield return new BenchCase("fork-join", "smallest kernel", "-", BenchCeiling.None, 0, arena =>
            {
                Elements sum = BenchInputs.Filled(arena, 1, DType.F32, 1);
                return () => Residual.Scale(target.Device, sum, 1f, 1);
            });
            yield break;
        }

        WorkerPool workers = cpu.Workers;
        foreach (int pause in new[] { 0, 3, 30, 300 })
        {
            string shape = pause == 0 ? "empty body" : $"empty body after {pause} us";
            yield return new BenchCase("fork-join", shape, "-", BenchCeiling.None, 1000.0 * pause, () => Run(workers, pause));
        }
    }

    private static void Run(WorkerPool workers, int pause)
    {
        if (pause > 0)
        {
            long end = Stopwatch.GetTimestamp() + (pause * Stopwatch.Frequency / 1_000_000);
            while (Stopwatch.GetTimestamp() < end)
            {
            }
        }

        workers.Run(&Nothing, null);
    }

    private static void Nothing(void* context, int worker, int workers)
    {
    }
}
