using System.Diagnostics;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Measures kernels against the machine's ceilings in the same minute, because the machine's speed drifts.</summary>
/// <remarks>
/// On a card every call finds its operands outside of the second-level cache: a case is made as often as it takes to exceed that
/// four times, and its copies take turns. On the processor cases choose themselves, by their sizes.
/// </remarks>
public static class KernelBench
{
    private const int MinimumPairs = 9;
    private const int MostCopies = 256;

    // On the processor tensors lie behind each other in one piece, as a planned step's do; pages are taken only where they are written.
    private const long ReservedBytes = 1L << 30;

    /// <summary>
    /// Runs every case between two measurements of its ceiling, again and again, and reports the medians of the pairs.
    /// </summary>
    /// <param name="device">The device the cases were made for.</param>
    /// <param name="cases">What to run; a case's inputs must not be zeros, which some hardware multiplies faster.</param>
    /// <param name="secondsPerCase">Time for the pairs of one case, warm-up not counted.</param>
    public static IEnumerable<BenchResult> Run(Device device, IEnumerable<BenchCase> cases, double secondsPerCase = 1.2)
    {
        using var probe = CeilingProbe.Of(device);
        using var clock = device.CreateClock();
        foreach (BenchCase bench in cases)
        {
            yield return Measure(device, probe, clock, bench, secondsPerCase);
        }
    }

    private static BenchResult Measure(Device device, CeilingProbe probe, DeviceClock clock, BenchCase bench, double seconds)
    {
        using var arena = device.CreateArena($"{bench.Name} {bench.Shape}");
        Action run = Prepare(device, arena, bench);
        int repeats = Settle(clock, run);
        return bench.Ceiling == BenchCeiling.None
            ? MeasureTime(device, clock, bench, run, repeats, seconds)
            : MeasureRate(device, probe, clock, bench, run, bench.Peer?.Invoke(arena), repeats, seconds);
    }

    private static Action Prepare(Device device, Arena arena, BenchCase bench)
    {
        if (device is not CudaDevice)
        {
            arena.Reserve(ReservedBytes);
        }

        Action first = bench.Prepare(arena);
        long bytes = arena.UsedBytes, cold = device is CudaDevice cuda ? 4 * cuda.Card.CacheBytes : 0;
        if (bytes == 0 || bytes >= cold)
        {
            return first;
        }

        var copies = new Action[(int)Math.Min(MostCopies, (cold + bytes - 1) / bytes)];
        copies[0] = first;
        for (int i = 1; i < copies.Length; i++)
        {
            copies[i] = bench.Prepare(arena);
        }

        int next = 0;
        return () =>
        {
            copies[next]();
            next = next + 1 == copies.Length ? 0 : next + 1;
        };
    }

    private static BenchResult MeasureRate(
        Device device, CeilingProbe probe, DeviceClock clock, BenchCase bench, Action run, Action? peer, int repeats, double seconds)
    {
        double CeilingRate() => peer is null ? probe.Rate(bench.Ceiling) : bench.Work / Time(clock, peer, repeats);
        CeilingRate();
        var rates = new List<double>();
        var ceilings = new List<double>();
        var ratios = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (ratios.Count < MinimumPairs || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            double before = CeilingRate();
            double rate = bench.Work / Time(clock, run, repeats);
            double ceiling = (before + CeilingRate()) / 2;
            rates.Add(rate);
            ceilings.Add(ceiling);
            ratios.Add(rate / ceiling);
        }

        double value = Quantile(rates, 0.5);
        return new BenchResult(
            bench.Name,
            bench.Shape,
            bench.DataType,
            device.Threads,
            value / 1e9,
            bench.Ceiling switch
            {
                BenchCeiling.FusedMultiplyAdd => "GFLOP/s",
                BenchCeiling.Int8DotProduct => "GOP/s",
                _ => "GB/s",
            },
            Quantile(ceilings, 0.5) / 1e9,
            Quantile(ratios, 0.5),
            ratios.Count,
            HalfRange(ratios))
        {
            Details = probe.Published(bench.Ceiling) is { } peak
                ? new Dictionary<string, double> { ["published_peak"] = peak / 1e9, ["published_ratio"] = value / peak }
                : null,
        };
    }

    private static BenchResult MeasureTime(Device device, DeviceClock clock, BenchCase bench, Action run, int repeats, double seconds)
    {
        var times = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (times.Count < MinimumPairs || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            times.Add((Time(clock, run, repeats) * 1e9) - bench.Work);
        }

        double median = Quantile(times, 0.5);
        return new BenchResult(
            bench.Name, bench.Shape, bench.DataType, device.Threads, median, "ns/call", null, null, times.Count,
            HalfRange(times) / median);
    }

    /// <summary>Warms up until two medians agree within 5 % and returns how many calls make a sample.</summary>
    private static int Settle(DeviceClock clock, Action run)
    {
        run();
        int repeats = Repeats(clock, Time(clock, run, 1));
        double previous = 0;
        for (int round = 0; round < 8; round++)
        {
            double median = Quantile([Time(clock, run, repeats), Time(clock, run, repeats), Time(clock, run, repeats)], 0.5);
            if (Math.Abs(median - previous) < 0.05 * median)
            {
                break;
            }

            previous = median;
            repeats = Repeats(clock, median);
        }

        return repeats;
    }

    private static int Repeats(DeviceClock clock, double seconds) =>
        (int)Math.Clamp(clock.SteadySeconds / Math.Max(seconds, 1e-9), 1, 100_000);

    /// <summary>Seconds a call.</summary>
    private static double Time(DeviceClock clock, Action run, int repeats)
    {
        clock.Reset();
        int start = clock.Mark();
        for (int i = 0; i < repeats; i++)
        {
            run();
        }

        return clock.Seconds(start, clock.Mark()) / repeats;
    }

    /// <summary>Half the interquartile range of measured values.</summary>
    public static double HalfRange(IReadOnlyCollection<double> values) => (Quantile(values, 0.75) - Quantile(values, 0.25)) / 2;

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
