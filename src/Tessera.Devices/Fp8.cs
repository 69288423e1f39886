namespace Tessera.Devices;

/// <summary>
/// Conversions between binary32 and E4M3 bit patterns: a sign, four bits of exponent with bias 7, three of mantissa; no infinities, the
/// pattern of all ones is NaN.
/// </summary>
/// <remarks>Source: Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433, table 1.</remarks>
public static class Fp8
{
    /// <summary>The largest number.</summary>
    public const float Largest = 448f;

    private const byte NaN = 0x7F;
    private const byte LargestBits = 0x7E;
    private const int MantissaBits = 3;
    private const int Bias = 7;

    /// <summary>Rounds to nearest, ties to even; beyond the largest number to it, infinities too; a NaN becomes the positive one, as on a card.</summary>
    public static byte Round(float value)
    {
        byte sign = (byte)(BitConverter.SingleToUInt32Bits(value) >> 31 << 7);
        float magnitude = Math.Abs(value);
        if (float.IsNaN(value))
        {
            return NaN;
        }

        if (magnitude >= Largest)
        {
            return (byte)(sign | LargestBits);
        }

        // In steps of a unit in the last place, which is 2^-9 up to the smallest normal number: exact, as it is a power of two.
        int exponent = Math.Max(magnitude == 0 ? 1 - Bias : Math.ILogB(magnitude), 1 - Bias);
        int steps = (int)Math.Round(Math.ScaleB(magnitude, MantissaBits - exponent), MidpointRounding.ToEven);

        // A mantissa that rounds up to the next power of two carries into the exponent, as it should.
        int bits = ((exponent + Bias - 1) << MantissaBits) + steps;
        return (byte)(sign | Math.Min(bits, LargestBits));
    }

    /// <summary>The exact binary32 value of an E4M3 bit pattern.</summary>
    public static float Widen(byte bits)
    {
        int exponent = (bits >> MantissaBits) & 0xF, mantissa = bits & 7;
        float magnitude = (bits & NaN) == NaN ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, 1 - Bias - MantissaBits)
            : MathF.ScaleB(8 + mantissa, exponent - Bias - MantissaBits);
        return bits >= 0x80 ? -magnitude : magnitude;
    }
}
