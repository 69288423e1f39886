namespace Tessera.Models.Configuration;

/// <summary>The <c>llama3</c> stretching of rotary wavelengths.</summary>
/// <param name="Factor">Divisor of the low frequencies, at least 1.</param>
/// <param name="LowFrequencyFactor">Wavelengths above OriginalMaxPositions / LowFrequencyFactor are divided.</param>
/// <param name="HighFrequencyFactor">Wavelengths below OriginalMaxPositions / HighFrequencyFactor are kept.</param>
/// <param name="OriginalMaxPositions">Context length in tokens before the stretching.</param>
public sealed record RopeScalingConfiguration(
    double Factor,
    double LowFrequencyFactor,
    double HighFrequencyFactor,
    int OriginalMaxPositions);
