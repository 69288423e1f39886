namespace Tessera.Kernels;

/// <summary>How rotary frequencies are changed for contexts beyond the one trained first; without one they stay.</summary>
public abstract record RopeScaling
{
    /// <summary>Factor on cosines and sines, and so on rotated queries and keys.</summary>
    public virtual double Amplitude => 1;

    /// <summary>Positions beyond which the frequencies would have to depend on the length of the text, or none.</summary>
    public virtual int? PositionLimit => null;

    /// <summary>Throws unless the numbers define a scaling.</summary>
    /// <exception cref="ArgumentException">They do not; the message says which.</exception>
    public abstract void Validate();

    /// <summary>The changed frequency, in steps that round to f32 as the published code's do.</summary>
    /// <param name="frequency">f_j = theta^(−2j/E).</param>
    /// <param name="index">j.</param>
    /// <param name="headDim">E.</param>
    /// <param name="theta">Base of the frequencies.</param>
    internal abstract float Apply(float frequency, int index, int headDim, double theta);

    /// <summary>Throws with the scaling's numbers unless a condition holds.</summary>
    protected void Require(bool holds)
    {
        if (!holds)
        {
            throw new ArgumentException($"rope: {this} does not define a scaling");
        }
    }
}
