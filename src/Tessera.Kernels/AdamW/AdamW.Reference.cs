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
}
