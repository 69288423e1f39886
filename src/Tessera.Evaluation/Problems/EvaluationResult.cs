using Tessera.Evaluation.Statistics;

namespace Tessera.Evaluation.Problems;

/// <summary>A share with its 95 % interval, as it is written down.</summary>
/// <param name="Value">The share or difference.</param>
/// <param name="StandardError">Standard error; null where the interval is Wilson's.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
/// <param name="Count">Problems or samples.</param>
public sealed record Estimate(double Value, double? StandardError, double Low, double High, long Count)
{
    /// <summary>From a mean over problems of numbers of either sign.</summary>
    public static Estimate From(ClusteredMean mean) => new(mean.Mean, mean.StandardError, mean.Low, mean.High, mean.Count);

    /// <summary>
    /// From a mean over problems of shares, within 0 and 1. Where all problems agree, the spread says nothing and Wilson's interval
    /// stands in.
    /// </summary>
    public static Estimate FromShares(IReadOnlyList<double> values)
    {
        var mean = ClusteredMean.Of(values);
        return mean.StandardError > 0 || mean.Count == 0
            ? new Estimate(mean.Mean, mean.StandardError, Math.Max(0, mean.Low), Math.Min(1, mean.High), mean.Count)
            : From(new Proportion((long)Math.Round(mean.Mean * mean.Count), mean.Count)) with { Value = mean.Mean };
    }

    /// <summary>From a share of samples.</summary>
    public static Estimate From(Proportion share) => new(share.Value, null, share.Low, share.High, share.Trials);
}

/// <summary>What the samples of one model in one mode say.</summary>
/// <param name="Model">The model.</param>
/// <param name="Mode">How problems were put.</param>
/// <param name="Problems">Problems.</param>
/// <param name="Samples">Samples a problem.</param>
/// <param name="Average">avg@k: mean accuracy of a single sample.</param>
/// <param name="Pass">pass@k by k.</param>
/// <param name="Majority">maj@k over all samples of a problem.</param>
/// <param name="Obeyed">Share of samples in the form the switch asks for.</param>
/// <param name="Truncated">Share of samples that ran into the limit of new tokens.</param>
/// <param name="MeanTokens">New tokens a sample.</param>
/// <param name="ByLevel">avg@k by <c>task level</c>, and by <c>level n</c> over tasks.</param>
public sealed record ModeResult(
    string Model, PromptMode Mode, int Problems, int Samples, Estimate Average, SortedDictionary<int, Estimate> Pass,
    Estimate Majority, Estimate Obeyed, Estimate Truncated, double MeanTokens, SortedDictionary<string, Estimate> ByLevel)
{
    /// <summary>Summarises samples; every problem has the same number of them.</summary>
    public static ModeResult Of(string model, PromptMode mode, IReadOnlyList<ProblemSample> samples)
    {
        var problems = ByProblem(samples);
        int count = problems.Count == 0 ? 0 : problems[0].Length;
        var average = problems.Select(Mean).ToArray();
        var pass = new SortedDictionary<int, Estimate>();
        for (int k = 1; k <= count; k *= 2)
        {
            int drawn = k;
            pass[k] = Mean(problems.Select(group => SampleScores.PassAtK(group.Length, group.Count(s => s.IsCorrect), drawn)));
        }

        var levels = new SortedDictionary<string, Estimate>(StringComparer.Ordinal);
        foreach (var group in problems.GroupBy(group => $"{group[0].Task} {group[0].Level}")
            .Concat(problems.GroupBy(group => $"level {group[0].Level}")))
        {
            levels[group.Key] = Mean(group.Select(Mean));
        }

        return new ModeResult(
            model, mode, problems.Count, count, Mean(average), pass,
            Mean(problems.Select(group => SampleScores.Majority([.. group.Select(s => (s.Answer?.Replace(" ", "", StringComparison.Ordinal), s.IsCorrect))]))),
            Share(problems, s => s.IsObeyed), Share(problems, s => s.IsTruncated),
            samples.Count == 0 ? 0 : samples.Average(s => s.Tokens), levels);
    }

    /// <summary>Mean accuracy of every problem, in order; only of given levels if some are given.</summary>
    public static double[] Scores(IReadOnlyList<ProblemSample> samples, IReadOnlyCollection<int>? levels = null) =>
        [.. ByProblem([.. samples.Where(s => levels is null || levels.Contains(s.Level))]).Select(Mean)];

    private static List<ProblemSample[]> ByProblem(IReadOnlyList<ProblemSample> samples) =>
        [.. samples.GroupBy(s => s.Index).OrderBy(group => group.Key).Select(group => group.OrderBy(s => s.Sample).ToArray())];

    private static double Mean(ProblemSample[] group) => (double)group.Count(s => s.IsCorrect) / group.Length;

    private static Estimate Mean(IEnumerable<double> values) => Estimate.FromShares([.. values]);

    /// <summary>Wilson's interval where every problem has one sample; else problems, not samples, are independent.</summary>
    private static Estimate Share(List<ProblemSample[]> problems, Func<ProblemSample, bool> holds) =>
        problems.All(group => group.Length == 1)
            ? Estimate.From(new Proportion(problems.Count(group => holds(group[0])), problems.Count))
            : Mean(problems.Select(group => (double)group.Count(holds) / group.Length));
}

/// <summary>A paired difference on the same problems.</summary>
/// <param name="Left">Model and mode that is compared.</param>
/// <param name="Right">Model and mode it is compared with.</param>
/// <param name="Levels">Which levels; <c>all</c> or a list.</param>
/// <param name="Difference">Left − right.</param>
public sealed record PairedResult(string Left, string Right, string Levels, Estimate Difference);

/// <summary>Everything an evaluation found.</summary>
/// <param name="Protocol">The settings, by name.</param>
/// <param name="Modes">One entry a model and mode.</param>
/// <param name="Differences">Paired comparisons.</param>
public sealed record EvaluationResult(
    SortedDictionary<string, string> Protocol, IReadOnlyList<ModeResult> Modes, IReadOnlyList<PairedResult> Differences);
