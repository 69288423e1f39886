namespace Tessera.Kernels;

/// <summary>The <c>yarn</c> scaling: frequencies between two rotation counts are blended, and cosines and sines grow.</summary>
/// <param name="Factor">s: low frequencies are divided by it, at least 1.</param>
/// <param name="OriginalMaxPositions">C: the context length trained first, in tokens.</param>
/// <remarks>
/// A dimension that turns r times within C has the index d(r) = E·ln(C / (2π·r)) / (2·ln theta). With low = ⌊d(BetaFast)⌋ and
/// high = ⌈d(BetaSlow)⌉ (not rounded without <see cref="Truncates"/>), clamped to [0, E − 1], and ramp_j = clamp((j − low) /
/// (high − low), 0, 1): f'_j = ramp_j·f_j/s + (1 − ramp_j)·f_j. The amplitude is 0.1·ln s + 1 unless it is given.
/// Source: Peng et al. 2023, sections 3.2 and 3.4.
/// </remarks>
public sealed record YarnRopeScaling(double Factor, int OriginalMaxPositions) : RopeScaling
{
    /// <summary>Dimensions that turn more often than this within C stay.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>Dimensions that turn less often than this within C are divided.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>Whether the borders of the ramp are rounded to whole indices.</summary>
    public bool Truncates { get; init; } = true;

    /// <summary>The amplitude where a file gives it, or none for the formula.</summary>
    public double? GivenAmplitude { get; init; }

    /// <inheritdoc />
    public override double Amplitude => GivenAmplitude ?? (Factor <= 1 ? 1 : (0.1 * Math.Log(Factor)) + 1);

    /// <inheritdoc />
    public override void Validate() => Require(
        double.IsFinite(Factor) && Factor > 0 && OriginalMaxPositions > 0 && BetaSlow > 0 && double.IsFinite(BetaFast)
        && BetaFast >= BetaSlow && GivenAmplitude is null or (> 0 and < float.MaxValue));

    internal override float Apply(float frequency, int index, int headDim, double theta)
    {
        double low = Dimension(BetaFast, headDim, theta), high = Dimension(BetaSlow, headDim, theta);
        (low, high) = Truncates ? (Math.Floor(low), Math.Ceiling(high)) : (low, high);
        (low, high) = (Math.Max(low, 0), Math.Min(high, headDim - 1));
        high = low == high ? high + 0.001 : high;
        float ramp = Math.Clamp((float)((index - low) / (high - low)), 0f, 1f);
        return (frequency / (float)Factor * ramp) + (frequency * (1f - ramp));
    }

    private double Dimension(double rotations, int headDim, double theta) =>
        headDim * Math.Log(OriginalMaxPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));
}
