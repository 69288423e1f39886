using Tessera.Alignment.Curriculum;
using Tessera.Alignment.Health;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rollouts;

namespace Tessera.Alignment.Runs;

/// <summary>The figures of a step by name, as <c>metrics.jsonl</c> holds them; <c>docs/alignment.md</c> explains each.</summary>
/// <remarks>No times: a run that was killed has the bits of one that was not.</remarks>
public static class StepFigures
{
    private const string RewardName = "reward";
    private const string TruncatedName = "truncated";
    private const string DeadName = "dead_groups";
    private const string GapName = "gap_mean_exp";
    private const string KlName = "kl";
    private const string EntropyName = "entropy";
    private const string NormName = "gradient_norm";
    private const string RateName = "curriculum_rate";

    /// <summary>All figures of a step, in a fixed order.</summary>
    public static List<KeyValuePair<string, double>> Of(RolloutBatch rollout, UpdateReport report, PlannedBatch plan, int updates)
    {
        var figures = new List<KeyValuePair<string, double>>();
        void Add(string name, double value) => figures.Add(KeyValuePair.Create(name, value));
        var all = rollout.Responses.ToList();
        double[] rewards = [.. all.Select(judged => judged.Reward.Total)];
        double mean = rewards.Average();
        Add(RewardName, mean);
        Add("reward_std", Math.Sqrt(rewards.Average(reward => (reward - mean) * (reward - mean))));
        Add("accuracy", all.Average(judged => judged.Reward.Accuracy));
        Add("format", all.Average(judged => judged.Reward.Format));
        Add(TruncatedName, Share(all.Count(judged => !judged.Reward.IsFinished), all.Count));
        Add(DeadName, Share(rollout.Groups.Count(group => group.IsDead), rollout.Groups.Count));
        Add("unsolved_groups", Share(rollout.Groups.Count(IsUnsolved), rollout.Groups.Count));
        int[] lengths = [.. all.Select(judged => judged.Response.Ids.Length).Order()];
        Add("length_mean", lengths.Average());
        Add("length_p95", lengths[(int)(0.95 * (lengths.Length - 1))]);
        Add(GapName, report.Gap.MeanFactor);
        Add("gap_max", report.Gap.Largest);
        Add("gap_kl", report.Gap.Divergence);
        Add("gap_outside", report.Gap.OutsideShare);
        var sums = report.Sums;
        Add("loss", report.Loss);
        Add(KlName, sums.Mean(sums.Kl));
        Add(EntropyName, sums.Mean(sums.Entropy));
        Add("ratio", sums.Mean(sums.Ratio));
        Add("clip_low", sums.Mean(sums.ClippedLow));
        Add("clip_high", sums.Mean(sums.ClippedHigh));
        Add("clip_dual", sums.Mean(sums.ClippedDual));
        Add(NormName, report.GradientNorm);
        Add("learning_rate", report.LearningRate);
        Add("updates", updates);
        Add("tokens", sums.Tokens);
        Add("curriculum_centre", plan.Centre ?? double.NaN);
        Add(RateName, plan.MeanRate);
        foreach (var label in rollout.Groups.GroupBy(group => group.Prompt.Label).OrderBy(label => label.Key, StringComparer.Ordinal))
        {
            Add($"{RewardName}.{label.Key}", label.SelectMany(group => group.Responses).Average(judged => judged.Reward.Total));
        }

        return figures;
    }

    /// <summary>What the gates look at.</summary>
    public static HealthReading Reading(long step, IReadOnlyDictionary<string, double> figures)
    {
        double Get(string name) => figures.GetValueOrDefault(name, double.NaN);
        return new HealthReading(
            step, Get(NormName), Get(GapName), Get(KlName), Get(EntropyName), Get(RewardName), Get(TruncatedName), Get(DeadName),
            Get(RateName));
    }

    /// <summary>One line for people.</summary>
    public static string Describe(IReadOnlyDictionary<string, double> figures) => FormattableString.Invariant(
        $"reward {figures[RewardName]:F3}, gap {figures[GapName]:F5}, KL {figures[KlName]:F4}, entropy {figures[EntropyName]:F3}, length {figures["length_mean"]:F0}");

    private static bool IsUnsolved(RolloutGroup group) => group.Responses.All(judged => judged.Reward.Accuracy == 0);

    private static double Share(int count, int all) => all == 0 ? 0 : (double)count / all;
}
