using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class TokenSampling
{
    /// <summary>The formula of <see cref="TokenSampling"/> for one row, by sorting the whole vocabulary.</summary>
    /// <returns>The token and the natural log of its probability at temperature 1.</returns>
    public static (int Token, double LogProb) ReferenceChoose(ReadOnlySpan<double> logits, in SamplingRow settings)
    {
        double[] z = logits.ToArray();
        double highest = z.Max(), logSum = highest + Math.Log(z.Sum(value => Math.Exp(value - highest)));
        int[] ranked = [.. Enumerable.Range(0, z.Length).OrderByDescending(id => z[id]).ThenBy(id => id)];
        if (settings.Temperature <= 0)
        {
            return (ranked[0], z[ranked[0]] - logSum);
        }

        double temperature = settings.Temperature;
        double[] masses = [.. ranked.Take(settings.TopK > 0 ? settings.TopK : z.Length).Select(id => Math.Exp((z[id] - highest) / temperature))];
        double limit = settings.TopP * masses.Sum(), mass = 0;
        int keep = 0;
        while (keep < masses.Length && (settings.TopP >= 1 || mass < limit))
        {
            mass += masses[keep++];
        }

        ulong seed = settings.Seed, position = (ulong)settings.Position;
        int token = ranked.Take(keep).MaxBy(id => (z[id] / temperature) + ReferenceNoise(seed, position, id));
        return (token, z[token] - logSum);
    }

    private static double ReferenceNoise(ulong seed, ulong position, int token)
    {
        var (a, b, c, d) = CounterRandom.Block(seed, position, (ulong)(token / 4));
        uint[] words = [a, b, c, d];
        return -Math.Log(-Math.Log((words[token % 4] + 0.5) / 4294967296.0));
    }
}
