namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    /// <summary>
    /// The nearest bf16 by comparing distances in double, ties to the even pattern; for tests. Not for NaN.
    /// </summary>
    public static ushort Reference(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        ushort towardsZero = (ushort)(bits >> 16);
        if (float.IsInfinity(value))
        {
            return towardsZero;
        }

        double size = Math.Abs((double)value);
        double below = SizeOf(towardsZero);
        double above = SizeOf((ushort)(towardsZero + 1));
        bool up = size - below > above - size || (size - below == above - size && (towardsZero & 1) == 1);
        return (ushort)(towardsZero + (up ? 1 : 0));
    }

    // The pattern after the largest finite one counts as 2^128 here: rounding decides as if the exponent went on.
    private static double SizeOf(ushort pattern) =>
        (pattern & 0x7FFF) == 0x7F80 ? Math.ScaleB(1, 128) : Math.Abs((double)BitConverter.UInt32BitsToSingle((uint)pattern << 16));
}
