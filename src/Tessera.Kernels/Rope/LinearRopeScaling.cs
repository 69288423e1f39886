namespace Tessera.Kernels;

/// <summary>The <c>linear</c> scaling: every frequency divided by the same factor, which is positions divided by it.</summary>
/// <param name="Factor">The divisor, positive.</param>
/// <remarks>Source: Chen et al. 2023, position interpolation.</remarks>
public sealed record LinearRopeScaling(double Factor) : RopeScaling
{
    /// <inheritdoc />
    public override void Validate() => Require(double.IsFinite(Factor) && Factor > 0);

    internal override float Apply(float frequency, int index, int headDim, double theta) => frequency / (float)Factor;
}
