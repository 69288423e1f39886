using System.Runtime.CompilerServices;

namespace Tessera.Devices;

/// <summary>Conversions between binary32 and bfloat16 bit patterns.</summary>
public static class Bf16
{
    /// <summary>Rounds to nearest, ties to even; a NaN stays a (quiet) NaN instead of carrying into infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFFu) > 0x7F80_0000u)
        {
            return (ushort)((bits >> 16) | 0x0040u);
        }

        return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
    }

    /// <summary>The exact binary32 value of a bfloat16 bit pattern.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
