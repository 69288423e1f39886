using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>
/// How fast all workers of a processor read the same bytes again and again: the rate of whichever cache, or memory, holds them. A
/// model that generates reads its weights that way.
/// </summary>
public static unsafe class WorkingSetProbe
{
    // Long enough that starting the workers does not count.
    private const double Seconds = 0.004;
    private const int Rounds = 15;
    private const int StartRounds = 2000;

    /// <summary>
    /// Bytes per second at every working set, from the smallest; the best of several rounds each. A round goes through all sets, so that a
    /// moment in which the machine serves others falls on all of them and not on every measurement of one.
    /// </summary>
    /// <param name="device">Whose workers read, each its own share.</param>
    /// <param name="sets">Bytes of each working set, all workers' shares together.</param>
    public static IReadOnlyList<(long Bytes, double Rate)> ReadRates(CpuDevice device, IReadOnlyList<long> sets)
    {
        using var arena = new Arena("working sets");
        byte* buffer = (byte*)arena.Allocate(sets.Max());
        new Span<float>(buffer, (int)(sets.Max() / sizeof(float))).Fill(1.25f);
        long[] ordered = [.. sets.Order()];
        double[] best = [.. ordered.Select(bytes => Rate(device, buffer, bytes, 1))];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < ordered.Length; i++)
            {
                int passes = (int)Math.Clamp(Seconds * best[i] / ordered[i], 1, 1 << 20);
                best[i] = Math.Max(best[i], Rate(device, buffer, ordered[i], passes));
            }
        }

        return [.. ordered.Zip(best)];
    }

    /// <summary>Seconds to start all workers and to wait for them, back to back as inside a step; the median of several rounds.</summary>
    public static double LaunchSeconds(CpuDevice device)
    {
        double[] rounds = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < StartRounds; i++)
            {
                device.Workers.Run(&Nothing, null);
            }

            rounds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds / StartRounds;
        }

        return KernelBench.Quantile(rounds, 0.5);
    }

    private static double Rate(CpuDevice device, byte* buffer, long bytes, int passes)
    {
        var work = new Work { Buffer = buffer, Bytes = bytes, Passes = passes };
        long start = Stopwatch.GetTimestamp();
        device.Workers.Run(&Read, &work);
        return (double)bytes * passes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read(void* context, int worker, int workers)
    {
        var work = (Work*)context;
        var (start, end) = WorkerPool.Share(work->Bytes, worker, workers, 256);
        Vector512<int> a = default, b = default, c = default, d = default;
        for (int pass = 0; pass < work->Passes; pass++)
        {
            for (long i = start; i + 256 <= end; i += 256)
            {
                a ^= Vector512.Load((int*)(work->Buffer + i));
                b ^= Vector512.Load((int*)(work->Buffer + i + 64));
                c ^= Vector512.Load((int*)(work->Buffer + i + 128));
                d ^= Vector512.Load((int*)(work->Buffer + i + 192));
            }
        }

        // The sum is stored, so that nobody may leave the reading out.
        work->Sum = Vector512.Sum(a ^ b ^ c ^ d);
    }

    private static void Nothing(void* context, int worker, int workers)
    {
    }

    private struct Work
    {
        public byte* Buffer;
        public long Bytes;
        public int Passes;
        public int Sum;
    }
}
