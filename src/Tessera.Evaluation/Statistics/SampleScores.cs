namespace Tessera.Evaluation.Statistics;

/// <summary>Scores of one problem from several samples.</summary>
public static class SampleScores
{
    /// <summary>
    /// The chance that of k samples drawn from n without return at least one is right, c of the n being right:
    /// 1 − C(n−c, k) / C(n, k) = 1 − Π_{j=n−c+1}^{n} (1 − k/j).
    /// </summary>
    /// <remarks>Unbiased, unlike 1 − (1 − c/n)ᵏ. Source: Chen et al. 2021 (arXiv 2107.03374).</remarks>
    /// <param name="samples">n.</param>
    /// <param name="correct">c, from 0 to n.</param>
    /// <param name="k">From 1 to n.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static double PassAtK(int samples, int correct, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(correct);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(correct, samples);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, samples);
        double none = 1;
        for (int j = samples - correct + 1; j <= samples; j++)
        {
            none *= 1 - Math.Min(1, (double)k / j);
        }

        return 1 - none;
    }

    /// <summary>
    /// Whether the answer that most samples give is right; where several answers lead, the share of them that is. Samples without an
    /// answer do not vote.
    /// </summary>
    /// <param name="votes">Canonical answer and verdict of every sample; null for no answer.</param>
    public static double Majority(IReadOnlyList<(string? Answer, bool IsCorrect)> votes)
    {
        var groups = votes.Where(vote => vote.Answer is not null).GroupBy(vote => vote.Answer!, StringComparer.Ordinal).ToList();
        if (groups.Count == 0)
        {
            return 0;
        }

        int most = groups.Max(group => group.Count());
        var leaders = groups.Where(group => group.Count() == most).ToList();
        return (double)leaders.Count(group => group.Any(vote => vote.IsCorrect)) / leaders.Count;
    }
}
