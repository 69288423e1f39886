namespace Tessera.Models.Configuration;

/// <summary>The way Nemotron-NAS files write a feed-forward width: a multiplier of the hidden size.</summary>
internal static class FfnMultiplier
{
    private const int Granule = 256;
    private const int Decimals = 6;

    /// <summary>
    /// ceil256(truncate(2·m·h / 3)), m rounded to six decimals and the product taken from left to right in double
    /// precision; null where it is zero or above <see cref="ConfigurationLimits.FeedForwardWidth"/>.
    /// </summary>
    public static int? ToWidth(double multiplier, int hiddenSize)
    {
        double product = 2 * Math.Round(multiplier, Decimals) * hiddenSize / 3;
        if (!(product >= 1 && product <= ConfigurationLimits.FeedForwardWidth))
        {
            return null;
        }

        return ((int)product + Granule - 1) / Granule * Granule;
    }

    /// <summary>The multiplier that gives a width, or null where none with six decimals does.</summary>
    public static double? FromWidth(int width, int hiddenSize)
    {
        double multiplier = Math.Round(3.0 * width / (2.0 * hiddenSize), Decimals);
        return multiplier > 0 && ToWidth(multiplier, hiddenSize) == width ? multiplier : null;
    }
}
