using Tessera.Devices;

namespace Tessera.Device.Tests;

/// <summary>Bounds of ‖actual − expected‖₂ / ‖expected‖₂ against references in double on the same rounded inputs.</summary>
internal static class Tolerances
{
    /// <summary>One rounding to f32: at most 2⁻²⁴ of each element.</summary>
    public const double OneRoundingF32 = 6e-8;

    /// <summary>One rounding to bf16: 1.66e-3 is expected of values spread evenly over a binade; a second of f32 before is nothing beside it.</summary>
    public const double OneRoundingBf16 = 2.0e-3;

    /// <summary>One operation in f32 and the store in a type.</summary>
    public static double OneRounding(DType stored) => stored == DType.BF16 ? OneRoundingBf16 : OneRoundingF32;
}
