using Tessera.Alignment.Advantages;
using Tessera.Kernels;
using Tessera.Training;

namespace Tessera.Alignment.Policy;

/// <summary>Everything that decides a GRPO step besides the model and the prompts.</summary>
public sealed record GrpoSettings
{
    /// <summary>Learning rate over updates, decay, clipping of the gradient; <see cref="TrainingSettings.BatchTokens"/> is the micro-batch.</summary>
    public required TrainingSettings Optimisation { get; init; }

    /// <summary>Responses a prompt, G.</summary>
    public int Samples { get; init; } = 8;

    /// <summary>Optimiser updates a rollout; each takes its share of the prompts, so only the first is exactly on-policy.</summary>
    public int Updates { get; init; } = 2;

    /// <summary>Most tokens of a response.</summary>
    public int MaxNewTokens { get; init; } = 256;

    /// <summary>How rewards become advantages.</summary>
    public AdvantageEstimator Estimator { get; init; }

    /// <summary>How token losses become one number.</summary>
    public LossAggregation Aggregation { get; init; }

    /// <summary>Clips and KL term.</summary>
    public PolicySettings Policy { get; init; } = new();

    /// <summary>Leave responses that were cut off out of the loss; they stay in the baseline of their group.</summary>
    public bool MasksTruncated { get; init; }

    /// <summary>What to do about the gap between engine and trainer.</summary>
    public OffPolicyCorrection Correction { get; init; }

    /// <summary>Least e^Δ of the gap that counts as inside.</summary>
    public double GapLow { get; init; } = 0.5;

    /// <summary>Largest e^Δ of the gap that counts as inside.</summary>
    public double GapHigh { get; init; } = 2;

    /// <summary>Fails with a sentence unless every value makes sense for so many prompts a step.</summary>
    /// <exception cref="ArgumentException">The sentence names the setting.</exception>
    public void Validate(int prompts)
    {
        Policy.Validate();
        if (Policy.Temperature != 1)
        {
            throw new ArgumentException($"the policy loss has temperature {Policy.Temperature}; responses are drawn at 1");
        }

        if (Samples < 2)
        {
            throw new ArgumentException($"{Samples} sample(s) a prompt: advantages within groups need at least 2");
        }

        if (Updates < 1 || Updates > prompts)
        {
            throw new ArgumentException($"{Updates} updates a rollout: expected 1 to the {prompts} prompts of a step");
        }

        if (MaxNewTokens < 1 || !(GapLow >= 0 && GapLow <= 1 && GapHigh >= 1))
        {
            throw new ArgumentException(
                $"responses of {MaxNewTokens} tokens and bounds {GapLow} and {GapHigh} of the probability ratio: expected at least 1 token, and bounds around 1");
        }
    }
}
