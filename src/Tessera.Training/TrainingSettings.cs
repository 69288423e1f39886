using Tessera.Tensors;

namespace Tessera.Training;

/// <summary>Everything that decides the course of a training besides model and data.</summary>
public sealed record TrainingSettings
{
    /// <summary>Learning rate as a function of the step; its length is the run's.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Micro-batches of a step.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>Most tokens of a micro-batch.</summary>
    public int BatchTokens { get; init; } = 4096;

    /// <summary>Longest document; longer ones are cut.</summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>AdamW's decay of the first moment.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>AdamW's decay of the second moment.</summary>
    public float Beta2 { get; init; } = 0.95f;

    /// <summary>AdamW's ε.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Decoupled weight decay of matrices; gains are left alone.</summary>
    public float WeightDecay { get; init; } = 0.1f;

    /// <summary>Largest global norm of the gradient; larger ones are scaled down. 0 for none.</summary>
    public double ClipNorm { get; init; } = 1.0;

    /// <summary>What is computed again for the backward instead of being kept; the results have the same bits.</summary>
    public RecomputeLevel Recompute { get; init; }

    /// <summary>
    /// Whether a device that records is asked for every kernel of every step, rather than for recorded steps as a whole: slower, the same
    /// bits, and an error names its kernel.
    /// </summary>
    public bool Eager { get; init; }

    /// <summary>Most bytes that training may take, weights included; null for what the machine has left.</summary>
    public long? MemoryLimit { get; init; }
}

/// <summary>What one optimiser step saw.</summary>
/// <param name="Step">Steps done so far, this one included.</param>
/// <param name="Loss">Mean losses of its tokens.</param>
/// <param name="GradientNorm">Global norm before clipping.</param>
/// <param name="LearningRate">Rate used.</param>
/// <param name="Tokens">Input tokens, counted whether or not they bear weight.</param>
public readonly record struct StepReport(int Step, Objectives.LossValues Loss, double GradientNorm, double LearningRate, int Tokens);
