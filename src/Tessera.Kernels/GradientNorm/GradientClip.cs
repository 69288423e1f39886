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
}
