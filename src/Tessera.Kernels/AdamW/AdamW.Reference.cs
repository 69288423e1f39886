using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class AdamW
{
    /// <summary>The formula of <see cref="Step(Device, ReadOnlySpan{AdamWTensor}, in AdamWSettings)"/> in double.</summary>
    public static void ReferenceStep(
        Span<double> parameter, ReadOnlySpan<double> gradient, Span<double> firstMoment, Span<double> secondMoment,
        in AdamWSettings settings)
    {
        double correction1 = 1.0 - Math.Pow(settings.Beta1, settings.Step);
        double correction2 = 1.0 - Math.Pow(settings.Beta2, settings.Step);
        for (int i = 0; i < parameter.Length; i++)
        {
            double g = settings.GradientScale * gradient[i];
            firstMoment[i] = (settings.Beta1 * firstMoment[i]) + ((1.0 - settings.Beta1) * g);
            secondMoment[i] = (settings.Beta2 * secondMoment[i]) + ((1.0 - settings.Beta2) * g * g);
            double first = firstMoment[i] / correction1;
            double second = secondMoment[i] / correction2;
            parameter[i] -= settings.LearningRate * settings.WeightDecay * parameter[i];
            parameter[i] -= settings.LearningRate * first / (Math.Sqrt(second) + settings.Epsilon);
        }
    }

    /// <summary>
    /// Rounding to bf16 at random of what is kept in bf16 without an f32 master: up with a probability equal to the fraction that is
    /// cut. Sixteen bits of (seed, 4·step + purpose, element / 8) serve an element. Infinity and NaN stay.
    /// </summary>
    /// <param name="value">The f32 value.</param>
    /// <param name="seed">The settings' seed.</param>
    /// <param name="step">The settings' step.</param>
    /// <param name="purpose">0 for the parameter, 1 for the first and 2 for the second moment.</param>
    /// <param name="element">
    /// Place among the elements of all tensors of the step, each of which begins at a multiple of 8.
    /// </param>
    public static ushort ReferenceRound(float value, ulong seed, long step, int purpose, long element)
    {
        if (!float.IsFinite(value))
        {
            return Bf16.Round(value);
        }

        var (a, b, c, d) = CounterRandom.Block(seed, (4 * (ulong)step) + (ulong)purpose, (ulong)(element / 8));
        uint[] words = [a, b, c, d];
        uint random = (words[element % 8 / 2] >> (element % 2 == 0 ? 0 : 16)) & 0xFFFF;
        return (ushort)((BitConverter.SingleToUInt32Bits(value) + random) >> 16);
    }
}
