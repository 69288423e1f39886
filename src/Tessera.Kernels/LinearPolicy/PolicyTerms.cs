namespace Tessera.Kernels;

/// <summary>Loss of one token as a function of its log-probability, with the derivative; formula in <see cref="LinearPolicy"/>.</summary>
/// <param name="settings">Clips and KL term.</param>
internal readonly struct PolicyTerms(PolicySettings settings)
{
    private readonly double _low = 1.0 - settings.ClipLow;
    private readonly double _high = 1.0 + settings.ClipHigh;
    private readonly double _dual = settings.DualClip;
    private readonly double _klWeight = settings.KlWeight;
    private readonly bool _onPolicyKl = settings.KlGradient == KlGradient.OnPolicy;

    /// <summary>Loss, dloss/dlogπ, k3 and what became of the ratio.</summary>
    /// <param name="logProb">logπ.</param>
    /// <param name="old">logπ_old.</param>
    /// <param name="reference">logπ_ref, or null for none.</param>
    /// <param name="advantage">A.</param>
    /// <param name="correction">ρ.</param>
    public (double Loss, double Slope, double Kl, PolicyClip Clip) At(
        double logProb, double old, double? reference, double advantage, double correction)
    {
        double ratio = Math.Exp(logProb - old);
        var clip = Clipped(ratio, advantage);
        double bound = clip switch
        {
            PolicyClip.Low => _low,
            PolicyClip.High => _high,
            PolicyClip.Dual => _dual,
            _ => ratio,
        };
        double loss = -correction * bound * advantage;
        double slope = clip == PolicyClip.None ? loss : 0;
        double kl = 0;
        if (reference is { } wanted)
        {
            double difference = wanted - logProb;
            double bounded = Math.Clamp(difference, -PolicySettings.LargestDifference, PolicySettings.LargestDifference);
            double excess = Math.Exp(bounded) - 1;
            kl = Math.Min(excess - bounded, PolicySettings.LargestKl);
            bool isFree = bounded == difference && excess - bounded <= PolicySettings.LargestKl;
            loss += _klWeight * kl;
            slope += _klWeight * ((isFree ? -excess : 0) + (_onPolicyKl ? kl : 0));
        }

        return (loss, slope, kl, clip);
    }

    private PolicyClip Clipped(double ratio, double advantage)
    {
        if (advantage > 0)
        {
            return ratio > _high ? PolicyClip.High : PolicyClip.None;
        }

        if (advantage < 0)
        {
            // With a dual clip c ≤ 1 − ε_low is impossible, since c > 1.
            return ratio < _low ? PolicyClip.Low : _dual > 0 && ratio > _dual ? PolicyClip.Dual : PolicyClip.None;
        }

        return PolicyClip.None;
    }
}
