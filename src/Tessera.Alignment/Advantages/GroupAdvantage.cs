namespace Tessera.Alignment.Advantages;

/// <summary>How the rewards R of a prompt's G responses become advantages A.</summary>
public enum AdvantageEstimator
{
    /// <summary>
    /// A = (R − mean) / std with the sample standard deviation (divisor G − 1) of the whole group: GRPO, the default.
    /// </summary>
    GroupStandardised,

    /// <summary>As <see cref="GroupStandardised"/> with divisor G.</summary>
    GroupStandardisedPopulation,

    /// <summary>
    /// A = (R − mean of the others) / std of the whole group, divisor G − 1: G/(G − 1) times <see cref="GroupStandardised"/>.
    /// </summary>
    LeaveOneOutStandardised,

    /// <summary>
    /// A = (R − mean of the others) / std of the others, and R − mean of the others where that is 0: the default of NeMo-RL.
    /// The advantages of a group then do not sum to 0, and the only success of a group, the most informative response, gets
    /// less than its share. It is here for comparison with published runs.
    /// </summary>
    LeaveOneOutSiblings,

    /// <summary>A = R − mean, without a division: Dr.GRPO. Goes with <see cref="LossAggregation.Constant"/>.</summary>
    Centred,

    /// <summary>A = R − mean of the others, without a division: RLOO, an unbiased gradient of the expected reward.</summary>
    LeaveOneOut,
}

/// <summary>Advantages of the responses to one prompt.</summary>
/// <remarks>Sources: Shao et al. 2024 (GRPO), Liu et al. 2025 (Dr.GRPO), Ahmadian et al. 2024 (RLOO).</remarks>
public static class GroupAdvantage
{
    /// <summary>A standard deviation below this is rounding: all rewards of the group are equal.</summary>
    public const double SmallestDeviation = 1e-9;

    /// <summary>Whether all rewards are equal: the group teaches nothing.</summary>
    public static bool IsDead(ReadOnlySpan<double> rewards) => Deviation(rewards, Mean(rewards), 0) < SmallestDeviation;

    /// <summary>Advantages in the order of the rewards; all 0 where all rewards are equal.</summary>
    /// <exception cref="ArgumentException">Fewer than two responses: nothing to compare with.</exception>
    public static double[] Of(ReadOnlySpan<double> rewards, AdvantageEstimator estimator)
    {
        if (rewards.Length < 2)
        {
            throw new ArgumentException(
                $"a group has {rewards.Length} response(s); advantages within groups need at least 2 samples a prompt");
        }

        var advantages = new double[rewards.Length];
        if (IsDead(rewards))
        {
            return advantages;
        }

        double mean = Mean(rewards);
        double toOthers = rewards.Length / (rewards.Length - 1.0);
        for (int i = 0; i < advantages.Length; i++)
        {
            double centred = rewards[i] - mean;
            advantages[i] = estimator switch
            {
                AdvantageEstimator.GroupStandardised => centred / Deviation(rewards, mean, 1),
                AdvantageEstimator.GroupStandardisedPopulation => centred / Deviation(rewards, mean, 0),
                AdvantageEstimator.LeaveOneOutStandardised => centred * toOthers / Deviation(rewards, mean, 1),
                AdvantageEstimator.LeaveOneOutSiblings => centred * toOthers / SiblingDivisor(rewards, i),
                AdvantageEstimator.Centred => centred,
                AdvantageEstimator.LeaveOneOut => centred * toOthers,
                _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "unknown estimator"),
            };
        }

        return advantages;
    }

    private static double SiblingDivisor(ReadOnlySpan<double> rewards, int index)
    {
        double[] others = [.. rewards[..index], .. rewards[(index + 1)..]];
        double deviation = others.Length < 2 ? 0 : Deviation(others, Mean(others), 1);
        return deviation < SmallestDeviation ? 1 : deviation;
    }

    private static double Mean(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
        {
            sum += value;
        }

        return sum / values.Length;
    }

    private static double Deviation(ReadOnlySpan<double> values, double mean, int lost)
    {
        double squares = 0;
        foreach (double value in values)
        {
            squares += (value - mean) * (value - mean);
        }

        return Math.Sqrt(squares / (values.Length - lost));
    }
}
