namespace Tessera.Kernels;

/// <summary>The <c>llama3</c> scaling of wavelengths w_j = 2π / f_j.</summary>
/// <param name="Factor">s: low frequencies are divided by it, at least 1.</param>
/// <param name="LowFrequencyFactor">lo: wavelengths above C / lo count as low frequency.</param>
/// <param name="HighFrequencyFactor">hi: wavelengths below C / hi stay as they are.</param>
/// <param name="OriginalMaxPositions">C: the context length trained first, in tokens.</param>
/// <remarks>
/// Unchanged for w_j &lt; C/hi; divided by s for w_j &gt; C/lo; otherwise (1 − t)·f_j/s + t·f_j with t = (C/w_j − lo) / (hi − lo).
/// </remarks>
public sealed record Llama3RopeScaling(
    double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositions) : RopeScaling
{
    /// <inheritdoc />
    public override void Validate() => Require(
        double.IsFinite(Factor) && Factor > 0 && LowFrequencyFactor > 0 && double.IsFinite(HighFrequencyFactor)
        && HighFrequencyFactor > LowFrequencyFactor && OriginalMaxPositions > 0);

    internal override float Apply(float frequency, int index, int headDim, double theta)
    {
        float wavelength = (float)(2 * Math.PI) / frequency;
        if (wavelength < OriginalMaxPositions / HighFrequencyFactor)
        {
            return frequency;
        }

        float factor = (float)Factor;
        if (wavelength > OriginalMaxPositions / LowFrequencyFactor)
        {
            return frequency / factor;
        }

        float blend = ((OriginalMaxPositions / wavelength) - (float)LowFrequencyFactor)
            / (float)(HighFrequencyFactor - LowFrequencyFactor);
        return ((1f - blend) * frequency / factor) + (blend * frequency);
    }
}
