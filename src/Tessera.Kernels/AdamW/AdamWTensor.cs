using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>One dense tensor of an optimiser's step, all parts [Count].</summary>
public readonly record struct AdamWTensor
{
    /// <summary>The master, updated.</summary>
    public required Elements Parameter { get; init; }

    /// <summary>The gradient, read only.</summary>
    public required Elements Gradient { get; init; }

    /// <summary>First moment, updated; zero before the first step.</summary>
    public required Elements FirstMoment { get; init; }

    /// <summary>Second moment, updated; zero before the first step.</summary>
    public required Elements SecondMoment { get; init; }

    /// <summary>A bf16 copy of the master, assigned its rounding to nearest, or none.</summary>
    public Elements Working { get; init; }

    /// <summary>Elements of each.</summary>
    public required long Count { get; init; }

    /// <summary>Whether the settings' weight decay holds for it.</summary>
    public required bool Decays { get; init; }
}
