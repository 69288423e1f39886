using Tessera.Devices;

namespace Tessera.Inference;

/// <summary>Chooses the next token from a row of logits.</summary>
public static class Sampler
{
    /// <summary>
    /// The likeliest token at temperature 0 (the lowest id among equals), else a draw that depends only on the settings'
    /// seed, the sequence and the position: not on what else is in the batch.
    /// </summary>
    public static int Choose(ReadOnlySpan<float> logits, GenerationSettings settings, int sequence, int position)
    {
        if (settings.Temperature <= 0)
        {
            return ArgMax(logits);
        }

        var candidates = Candidates(logits, settings);
        double total = candidates.Sum(candidate => candidate.Mass);
        var (word, _, _, _) = CounterRandom.Block(settings.Seed, (ulong)sequence, (ulong)position);
        double target = (word + 0.5) / 4294967296.0 * total;
        foreach (var (id, mass) in candidates)
        {
            target -= mass;
            if (target < 0)
            {
                return id;
            }
        }

        return candidates[^1].Id;
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

    private static List<(int Id, double Mass)> Candidates(ReadOnlySpan<float> logits, GenerationSettings settings)
    {
        float highest = logits[ArgMax(logits)];
        var candidates = new List<(int Id, double Mass)>(logits.Length);
        for (int i = 0; i < logits.Length; i++)
        {
            candidates.Add((i, Math.Exp((logits[i] - highest) / (double)settings.Temperature)));
        }

        if (settings.TopK <= 0 && settings.TopP >= 1)
        {
            return candidates;
        }

        candidates.Sort((left, right) => left.Mass != right.Mass ? right.Mass.CompareTo(left.Mass) : left.Id.CompareTo(right.Id));
        int keep = settings.TopK > 0 ? Math.Min(settings.TopK, candidates.Count) : candidates.Count;
        double limit = settings.TopP * candidates.Take(keep).Sum(candidate => candidate.Mass);
        double mass = 0;
        for (int i = 0; i < keep; i++)
        {
            mass += candidates[i].Mass;
            if (mass >= limit)
            {
                keep = i + 1;
            }
        }

        candidates.RemoveRange(keep, candidates.Count - keep);
        return candidates;
    }
}
