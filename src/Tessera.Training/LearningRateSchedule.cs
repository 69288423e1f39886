namespace Tessera.Training;

/// <summary>Shape of the learning rate after its warm-up.</summary>
public enum ScheduleShape
{
    /// <summary>Stays at the peak.</summary>
    Constant,

    /// <summary>Half a cosine from the peak to the floor.</summary>
    Cosine,

    /// <summary>A straight line from the peak to the floor.</summary>
    Linear,

    /// <summary>Warm-up, stable, decay (Hu et al. 2024): the peak until the last part, then a straight line to the floor.</summary>
    Wsd,
}

/// <summary>Learning rate as a function of the step.</summary>
/// <param name="Shape">Shape after the warm-up.</param>
/// <param name="Peak">Highest rate.</param>
/// <param name="Floor">Rate at the end.</param>
/// <param name="WarmupSteps">Steps of linear rise from 0; the first step already has Peak / WarmupSteps.</param>
/// <param name="TotalSteps">Length of the run.</param>
public sealed record LearningRateSchedule(ScheduleShape Shape, double Peak, double Floor, int WarmupSteps, int TotalSteps)
{
    /// <summary>The share of <see cref="ScheduleShape.Wsd"/> that falls where nothing else is said: the last fifth.</summary>
    public const double UsualDecayShare = 0.2;

    /// <summary>For <see cref="ScheduleShape.Wsd"/> the share of the steps behind the warm-up in which the rate falls, from 0 to 1.</summary>
    public double DecayShare { get; init; } = UsualDecayShare;

    /// <summary>The rate of a step, counted from 0.</summary>
    public double At(int step)
    {
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / WarmupSteps;
        }

        int length = Math.Max(1, TotalSteps - WarmupSteps);
        double progress = Math.Clamp((double)(step - WarmupSteps) / length, 0, 1);
        return Shape switch
        {
            ScheduleShape.Constant => Peak,
            ScheduleShape.Cosine => Floor + ((Peak - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress))),
            ScheduleShape.Linear => Peak + ((Floor - Peak) * progress),
            ScheduleShape.Wsd => progress <= 1 - DecayShare
                ? Peak
                : Peak + ((Floor - Peak) * (progress - (1 - DecayShare)) / DecayShare),
            _ => throw new ArgumentOutOfRangeException(nameof(step), Shape, "unknown schedule"),
        };
    }
}
