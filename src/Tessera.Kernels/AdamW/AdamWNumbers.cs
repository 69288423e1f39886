namespace Tessera.Kernels;

/// <summary>The numbers of a step, computed in double; a card's kernel reads them in this layout, that of <c>AdamW.cu</c>.</summary>
internal struct AdamWNumbers
{
    public ulong Seed;
    public ulong Step;
    public float GradientScale;
    public float OneMinusBeta1;
    public float Beta2;
    public float OneMinusBeta2;
    public float Decay;
    public float StepSize;
    public float RootScale;
    public float Epsilon;

    public static AdamWNumbers Of(in AdamWSettings settings)
    {
        double correction1 = 1.0 - Math.Pow(settings.Beta1, settings.Step);
        double correction2 = 1.0 - Math.Pow(settings.Beta2, settings.Step);
        return new AdamWNumbers
        {
            Seed = settings.Seed,
            Step = (ulong)settings.Step,
            GradientScale = (float)settings.GradientScale,
            OneMinusBeta1 = (float)(1.0 - settings.Beta1),
            Beta2 = (float)settings.Beta2,
            OneMinusBeta2 = (float)(1.0 - settings.Beta2),
            Decay = (float)(settings.LearningRate * settings.WeightDecay),
            StepSize = (float)(settings.LearningRate / correction1),
            RootScale = (float)(1.0 / Math.Sqrt(correction2)),
            Epsilon = (float)settings.Epsilon,
        };
    }
}
