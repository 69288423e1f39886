using System.Globalization;
using Tessera.Interop;

namespace Tessera.Devices;

/// <content>The choice between the library's proposals by time.</content>
public sealed unsafe partial class CudaProducts
{
    private const int Proposals = 8;

    // Below, all proposals take about as long as a launch.
    private const double LeastFlops = 2e9;

    // Numbers of tokens that come again and again are multiples; those of single requests are rarely, and would be timed each.
    private const int Multiple = 64;
    private const int FewTokens = 64;

    private const int Rounds = 3;
    private const double SecondsPerRound = 1e-3;
    private const int MostRepeats = 20;

    // A proposal has to be faster than the first by this much: what is less is noise.
    private const double Gain = 0.985;

    /// <summary>Whether choices are measured and kept: TESSERA_CUDA_TUNE is not 0.</summary>
    private static bool Tunes { get; } = Environment.GetEnvironmentVariable("TESSERA_CUDA_TUNE") != "0";

    private static bool IsWorthTiming(in CudaProduct p) => Tunes && 2.0 * p.M * p.N * p.K >= LeastFlops
        && p.N % Multiple == 0 && p.K % Multiple == 0 && (p.M % Multiple == 0 || p.M <= FewTokens);

    /// <summary>
    /// The fastest of the library's proposals for a product, timed now: what our choice is held against. The action launches it without
    /// looking anything up.
    /// </summary>
    /// <param name="product">What to multiply.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <param name="c">C, which is overwritten.</param>
    /// <exception cref="NotSupportedException">The library has no algorithm for it.</exception>
    /// <exception cref="CudaException">The library fails.</exception>
    public Action Fastest(CudaProduct product, nint a, nint b, nint c)
    {
        if (!TryMultiply(product, a, b, c, accumulate: false))
        {
            throw new NotSupportedException($"cuBLASLt has no algorithm for {product}");
        }

        if (_device.IsPlanning)
        {
            return () => { };
        }

        Key key = KeyOf(product, a, b, c);
        Plan plan = _plans[key];
        CublasLtAlgorithm[] proposals = Propose(key, plan);
        double[] seconds = Time(plan, proposals, a, b, c);
        CublasLtAlgorithm fastest = proposals[Array.IndexOf(seconds, seconds.Min())];
        nint workspace = _device.Stream.Workspace(_device);
        return () => CublasLt.Check(Launch(plan, fastest, a, b, c, accumulate: false, workspace), "cublasLtMatmul", product.ToString());
    }

    private int Choose(in Key key, Plan plan, CublasLtAlgorithm[] proposals, nint a, nint b, nint c, bool accumulate)
    {
        string name = NameOf(key);
        if (_choices!.Find(name) is { } kept && kept < proposals.Length)
        {
            return kept;
        }

        // Nothing can be timed while a graph is captured; what is captured ran before, as it is.
        if (_device.Stream.IsCapturing)
        {
            return 0;
        }

        // A sum that is added to must not be touched: it is timed beside, if there is room.
        using Arena? beside = accumulate ? _device.CreateArena("products to be timed") : null;
        nint target = c;
        if (beside is not null)
        {
            long bytes = (((key.Product.M - 1) * key.Product.CStride) + key.Product.N) * key.Product.ResultType.Bytes();
            if (_device.FreeBytes < 2 * bytes)
            {
                return 0;
            }

            target = beside.Allocate(bytes);
        }

        double[] seconds = Time(plan, proposals, a, b, target);
        int fastest = Array.IndexOf(seconds, seconds.Min());
        int stands = _choices.Keep(name, seconds[fastest] < Gain * seconds[0] ? fastest : 0);
        return stands < proposals.Length ? stands : 0;
    }

    private double[] Time(Plan plan, CublasLtAlgorithm[] proposals, nint a, nint b, nint c)
    {
        double[] seconds = [.. Enumerable.Repeat(double.PositiveInfinity, proposals.Length)];
        nint workspace = _device.Stream.Workspace(_device);
        using CudaEvent start = _device.CreateEvent(timed: true), end = _device.CreateEvent(timed: true);
        for (int round = 0; round <= Rounds; round++)
        {
            for (int i = 0; i < proposals.Length; i++)
            {
                // The first round warms up and tells how often a round repeats.
                int repeats = round == 0 || double.IsInfinity(seconds[i]) ? 1 : Math.Clamp((int)(SecondsPerRound / seconds[i]), 1, MostRepeats);
                _device.Stream.Record(start);
                for (int turn = 0; turn < repeats; turn++)
                {
                    if (Launch(plan, proposals[i], a, b, c, accumulate: false, workspace) != 0)
                    {
                        // A proposal that does not run is none.
                        repeats = 0;
                    }
                }

                _device.Stream.Record(end);
                end.Synchronize();
                double time = repeats > 0 ? end.MillisecondsSince(start) / 1e3 / repeats : double.PositiveInfinity;
                seconds[i] = round <= 1 ? time : Math.Min(seconds[i], time);
            }
        }

        return seconds;
    }

    private static Key KeyOf(in CudaProduct product, nint a, nint b, nint c) => new(
        product,
        AlignmentOf(a, product.AStride, product.OperandType),
        AlignmentOf(b, product.BStride, product.OperandType),
        AlignmentOf(c, product.CStride, product.ResultType));

    private static string NameOf(in Key key)
    {
        CudaProduct p = key.Product;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{p.M}x{p.N}x{p.K} {(p.TransposeA ? 't' : 'n')}{(p.TransposeB ? 't' : 'n')} {p.AStride},{p.BStride},{p.CStride} {p.OperandType.Label()}{(p.IsScaled ? "*" : string.Empty)} {p.ResultType.Label()} {key.AlignmentA},{key.AlignmentB},{key.AlignmentC}");
    }
}
