using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>The processor's draw from one row.</content>
public static unsafe partial class TokenSampling
{
    // A candidate this far below the likeliest one, in units of temperature, weighs less than 1e-13 of it: it decides neither
    // top-p nor top-k, so ranking leaves it out.
    private const double Negligible = 30;

    // The largest noise that 32 bits can give: −ln(−ln(1 − 2⁻³³)).
    private const double LargestNoise = 22.9;

    /// <summary>The token of one row; see <see cref="TokenSampling"/>.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="settings">Temperature, truncation, seed, position.</param>
    public static int Choose(ReadOnlySpan<float> logits, in SamplingRow settings)
    {
        int likeliest = ArgMax(logits);
        if (settings.Temperature <= 0)
        {
            return likeliest;
        }

        double factor = 1.0 / settings.Temperature;
        double highest = logits[likeliest];
        if (settings.TopK > 0 || settings.TopP < 1)
        {
            var noise = new Noise(settings.Seed, settings.Position);
            int chosen = likeliest;
            double best = double.NegativeInfinity;
            foreach (var (id, score) in Truncate(logits, highest, factor, settings))
            {
                Consider(id, score, ref noise, ref chosen, ref best);
            }

            return chosen;
        }

        return ChooseFromAll(logits, highest, factor, new Noise(settings.Seed, settings.Position));
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }

    private static int ChooseFromAll(ReadOnlySpan<float> logits, double highest, double factor, Noise noise)
    {
        int chosen = 0;
        double best = double.NegativeInfinity;
        for (int id = 0; id < logits.Length; id++)
        {
            Consider(id, (logits[id] - highest) * factor, ref noise, ref chosen, ref best);
        }

        return chosen;
    }

    private static void Consider(int id, double score, ref Noise noise, ref int chosen, ref double best)
    {
        if (score + LargestNoise <= best)
        {
            return;
        }

        double value = score + noise.Of(id);
        if (value > best)
        {
            (chosen, best) = (id, value);
        }
    }

    /// <summary>The tokens that top-k and then top-p leave, likeliest first, with (logit − highest) / temperature.</summary>
    private static List<(int Id, double Score)> Truncate(
        ReadOnlySpan<float> logits, double highest, double factor, in SamplingRow settings)
    {
        var candidates = new List<(int Id, double Score)>();
        for (int i = 0; i < logits.Length; i++)
        {
            double score = (logits[i] - highest) * factor;
            if (score > -Negligible)
            {
                candidates.Add((i, score));
            }
        }

        candidates.Sort((left, right) => left.Score != right.Score ? right.Score.CompareTo(left.Score) : left.Id.CompareTo(right.Id));
        int keep = settings.TopK > 0 ? Math.Min(settings.TopK, candidates.Count) : candidates.Count;
        double limit = settings.TopP * candidates.Take(keep).Sum(candidate => Math.Exp(candidate.Score));
        double mass = 0;
        for (int i = 0; i < keep; i++)
        {
            mass += Math.Exp(candidates[i].Score);
            if (mass >= limit)
            {
                keep = i + 1;
            }
        }

        candidates.RemoveRange(keep, candidates.Count - keep);
        return candidates;
    }

    /// <summary>Gumbel noise of a position's tokens; four neighbours share one block of the counter generator.</summary>
    private struct Noise(ulong seed, int position)
    {
        private int _block = -1;
        private (uint A, uint B, uint C, uint D) _words;

        public double Of(int token)
        {
            if (token >> 2 != _block)
            {
                _block = token >> 2;
                _words = CounterRandom.Block(seed, (ulong)position, (ulong)_block);
            }

            uint word = (token & 3) switch { 0 => _words.A, 1 => _words.B, 2 => _words.C, _ => _words.D };
            return -Math.Log(-Math.Log((word + 0.5) / 4294967296.0));
        }
    }
}
