namespace Tessera.Kernels;

/// <summary>The norm of all gradients together and what follows from it; written by a kernel, in a device's memory.</summary>
public struct GradientClip
{
    /// <summary>The sum of all squares.</summary>
    public double Squares;

    /// <summary>Its root.</summary>
    public float Norm;

    /// <summary>What gradients are multiplied by so that their norm stays within the limit; no number where the norm is none.</summary>
    public float Factor;

    private const int FactorOffset = sizeof(double) + sizeof(float);

    /// <summary>Where the factor of a result in a device's memory lies, for <see cref="AdamWSettings.ClipFactor"/>.</summary>
    public static unsafe nint FactorOf(GradientClip* clip) => (nint)clip + FactorOffset;
}
