using System.Diagnostics;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Measures kernels against the machine's ceilings in the same minute, because the machine's speed drifts.</summary>
public static class KernelBench
{
    private const double SampleSeconds = 0.02;
    private const int MinimumPairs = 9;

    // Tensors lie behind each other in one piece, as a planned step's do; pages are taken only where they are written.
    private const long ReservedBytes = 1L << 30;

    /// <summary>
    /// Runs every case between two measurements of its ceiling, again and again, and reports the medians of the pairs.
    /// </summary>
    /// <param name="device">The device the cases were made for.</param>
    /// <param name="cases">What to run; a case's inputs must not be zeros, which some hardware multiplies faster.</param>
    /// <param name="secondsPerCase">Time for the pairs of one case, warm-up not counted.</param>
    public static IEnumerable<BenchResult> Run(CpuDevice device, IEnumerable<BenchCase> cases, double secondsPerCase = 1.2)
    {
        using var probe = new CeilingProbe(device);
        foreach (BenchCase bench in cases)
        {
            yield return Measure(device, probe, bench, secondsPerCase);
        }
    }

    private static BenchResult Measure(CpuDevice device, CeilingProbe probe, BenchCase bench, double seconds)
    {
        using var arena = new Arena($"{bench.Name} {bench.Shape}");
        arena.Reserve(ReservedBytes);
        Action run = bench.Prepare(arena);
        int repeats = Settle(run);
        return bench.Ceiling == BenchCeiling.None
            ? MeasureTime(device, bench, run, repeats, seconds)
            : MeasureRate(device, probe, bench, run, repeats, seconds);
    }

    private static BenchResult MeasureRate(
        CpuDevice device, CeilingProbe probe, BenchCase bench, Action run, int repeats, double seconds)
    {
        probe.Rate(bench.Ceiling);
        var rates = new List<double>();
        var ceilings = new List<double>();
        var ratios = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (ratios.Count < MinimumPairs || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            double before = probe.Rate(bench.Ceiling);
            double rate = bench.Work / Time(run, repeats);
            double ceiling = (before + probe.Rate(bench.Ceiling)) / 2;
            rates.Add(rate);
            ceilings.Add(ceiling);
            ratios.Add(rate / ceiling);
        }

        return new BenchResult(
            bench.Name,
            bench.Shape,
            bench.DataType,
            device.Workers.Count,
            Quantile(rates, 0.5) / 1e9,
            bench.Ceiling switch
            {
                BenchCeiling.FusedMultiplyAdd => "GFLOP/s",
                BenchCeiling.Int8DotProduct => "GOP/s",
                _ => "GB/s",
            },
            Quantile(ceilings, 0.5) / 1e9,
            Quantile(ratios, 0.5),
            ratios.Count,
            HalfRange(ratios));
    }

    private static BenchResult MeasureTime(CpuDevice device, BenchCase bench, Action run, int repeats, double seconds)
    {
        var times = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (times.Count < MinimumPairs || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            times.Add((Time(run, repeats) * 1e9) - bench.Work);
        }

        double median = Quantile(times, 0.5);
        return new BenchResult(
            bench.Name, bench.Shape, bench.DataType, device.Workers.Count, median, "ns/call", null, null, times.Count,
            HalfRange(times) / median);
    }

    /// <summary>Warms up until two medians agree within 5 % and returns how many calls make a sample.</summary>
    private static int Settle(Action run)
    {
        run();
        int repeats = (int)Math.Clamp(SampleSeconds / Math.Max(Time(run, 1), 1e-9), 1, 100_000);
        double previous = 0;
        for (int round = 0; round < 8; round++)
        {
            double median = Quantile([Time(run, repeats), Time(run, repeats), Time(run, repeats)], 0.5);
            if (Math.Abs(median - previous) < 0.05 * median)
            {
                break;
            }

            previous = median;
            repeats = (int)Math.Clamp(SampleSeconds / Math.Max(median, 1e-9), 1, 100_000);
        }

        return repeats;
    }

    /// <summary>Seconds a call.</summary>
    private static double Time(Action run, int repeats)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeats; i++)
        {
            run();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds / repeats;
    }

    private static double HalfRange(List<double> values) => (Quantile(values, 0.75) - Quantile(values, 0.25)) / 2;

    /// <summary>A quantile of measured values, interpolated between the two next to it.</summary>
    public static double Quantile(IEnumerable<double> values, double quantile)
    {
        double[] sorted = [.. values.Order()];
        double position = quantile * (sorted.Length - 1);
        int low = (int)position;
        int high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((sorted[high] - sorted[low]) * (position - low));
    }
}
