namespace Tessera.Kernels;

/// <summary>
/// The <c>dynamic</c> scaling: up to the trained context nothing changes; beyond it the base would grow with the text, which
/// is not supported, so longer texts are refused.
/// </summary>
/// <param name="Factor">Kept for the file; it acts beyond the limit alone.</param>
/// <param name="MaxPositions">Positions up to which the rotation is the plain one.</param>
public sealed record DynamicRopeScaling(double Factor, int MaxPositions) : RopeScaling
{
    /// <inheritdoc />
    public override int? PositionLimit => MaxPositions;

    /// <inheritdoc />
    public override void Validate() => Require(double.IsFinite(Factor) && Factor > 0 && MaxPositions > 0);

    internal override float Apply(float frequency, int index, int headDim, double theta) => frequency;
}
