namespace Tessera.Kernels;

/// <summary>The <c>llama3</c> stretching of rotary frequencies for contexts beyond the one trained first.</summary>
/// <param name="Factor">s: low frequencies are divided by it.</param>
/// <param name="LowFrequencyFactor">lo: wavelengths above C / lo count as low frequency.</param>
/// <param name="HighFrequencyFactor">hi: wavelengths below C / hi stay as they are.</param>
/// <param name="OriginalMaxPositions">C: the context length trained first, in tokens.</param>
public readonly record struct RopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositions)
{
    /// <summary>Throws unless the numbers define a blend.</summary>
    /// <exception cref="ArgumentException">A factor is not positive and finite, hi is not above lo, or C is below one.</exception>
    public void Validate()
    {
        bool positive = double.IsFinite(Factor) && Factor > 0 && LowFrequencyFactor > 0 && double.IsFinite(HighFrequencyFactor);
        if (!positive || !(HighFrequencyFactor > LowFrequencyFactor) || OriginalMaxPositions < 1)
        {
            throw new ArgumentException(
                $"rope scaling llama3: factor {Factor}, low {LowFrequencyFactor}, high {HighFrequencyFactor} and "
                + $"{OriginalMaxPositions} original positions do not define a scaling");
        }
    }
}
