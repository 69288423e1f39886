namespace Tessera.Kernels;

/// <summary>The numbers of one AdamW step.</summary>
public readonly record struct AdamWSettings
{
    /// <summary>Learning rate of this step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the corrected second moment.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay; the learning rate multiplies it.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Number of this step, from 1, for the bias corrections.</summary>
    public required long Step { get; init; }

    /// <summary>Multiplies the gradient before anything else: the clip factor, or one over a loss scale.</summary>
    public double GradientScale { get; init; } = 1.0;

    /// <summary>
    /// Address of an f32 in the device's memory that multiplies the gradient besides <see cref="GradientScale"/>, or 0. Where it is
    /// no number nothing is updated. See <see cref="GradientNorm.Clip"/>.
    /// </summary>
    public nint ClipFactor { get; init; }

    /// <summary>Seed of the stochastic rounding of masters in bf16; others do without.</summary>
    public ulong Seed { get; init; }

    /// <summary>Settings with PyTorch's defaults.</summary>
    public AdamWSettings()
    {
    }
}
