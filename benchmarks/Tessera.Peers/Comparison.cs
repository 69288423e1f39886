using System.Diagnostics;
using Tessera.Devices;

namespace Tessera.Peers;

/// <summary>A figure of both contenders.</summary>
/// <param name="Name"><c>decode</c>, <c>prefill</c> or <c>logits</c>.</param>
/// <param name="Here">Median rate here, or the relative distance of the logits.</param>
/// <param name="There">Median rate of the peer.</param>
/// <param name="Unit">Unit of both.</param>
/// <param name="Ratio">Median of the ratios of runs taken in turn.</param>
/// <param name="Runs">Number of pairs.</param>
/// <param name="Spread">Half the interquartile range of the ratios.</param>
internal sealed record PeerFigure(string Name, double Here, double There, string Unit, double Ratio, int Runs, double Spread);

/// <summary>Runs two contenders in turn on the same tokens.</summary>
internal sealed class Comparison(int prompt, int decode, int rounds)
{
    public int Prompt => prompt;

    public int Decode => decode;

    /// <summary>Positions that a context needs.</summary>
    public int Positions => prompt + decode + 1;

    public IEnumerable<PeerFigure> Run(IContender here, IContender there, int vocabulary)
    {
        int[] tokens = Tokens(vocabulary);

        // The first pass warms both up and compares what they compute.
        Pass(here, tokens);
        Pass(there, tokens);
        yield return new PeerFigure("logits", Distance(here.Logits, there.Logits), 0, "relative L2 distance", 0, 1, 0);

        var times = new (double Prefill, double Decode)[2, rounds];
        for (int round = 0; round < rounds; round++)
        {
            // Who begins alternates, so that neither always finds the other's data in the caches.
            bool hereFirst = round % 2 == 0;
            times[hereFirst ? 0 : 1, round] = Pass(hereFirst ? here : there, tokens);
            times[hereFirst ? 1 : 0, round] = Pass(hereFirst ? there : here, tokens);
        }

        yield return Figure("prefill", prompt, round => times[0, round].Prefill, round => times[1, round].Prefill);
        yield return Figure("decode", decode, round => times[0, round].Decode, round => times[1, round].Decode);
    }

    private (double Prefill, double Decode) Pass(IContender contender, int[] tokens)
    {
        contender.Restart();
        long start = Stopwatch.GetTimestamp();
        contender.Feed(tokens.AsSpan(0, prompt));
        _ = contender.Logits[0];
        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < decode; i++)
        {
            contender.Feed(tokens.AsSpan(prompt + i, 1));
            _ = contender.Logits[0];
        }

        return (prefill, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private PeerFigure Figure(string name, int tokens, Func<int, double> here, Func<int, double> there)
    {
        var all = Enumerable.Range(0, rounds).ToArray();
        double[] ratios = [.. all.Select(round => there(round) / here(round)).Order()];
        return new PeerFigure(
            name, tokens / Quantile([.. all.Select(here).Order()], 0.5), tokens / Quantile([.. all.Select(there).Order()], 0.5), "tokens/s",
            Quantile(ratios, 0.5), rounds, (Quantile(ratios, 0.75) - Quantile(ratios, 0.25)) / 2);
    }

    private static double Quantile(double[] sorted, double quantile)
    {
        double position = quantile * (sorted.Length - 1);
        int low = (int)position;
        return sorted[low] + ((sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]) * (position - low));
    }

    private static double Distance(ReadOnlySpan<float> here, ReadOnlySpan<float> there)
    {
        double difference = 0, norm = 0;
        for (int i = 0; i < here.Length; i++)
        {
            difference += Math.Pow(here[i] - there[i], 2);
            norm += Math.Pow(there[i], 2);
        }

        return Math.Sqrt(difference / norm);
    }

    private int[] Tokens(int vocabulary)
    {
        var random = new CounterRandom(0x9EE7, 1);
        int[] tokens = new int[prompt + decode];
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = random.Next(vocabulary);
        }

        return tokens;
    }
}
