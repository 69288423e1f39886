namespace Tessera.Models.Configuration;

/// <summary>down(silu(gate x) ⊙ up x).</summary>
/// <param name="Width">Rows of gate and up, columns of down.</param>
public sealed record SwiGluConfiguration(int Width) : FeedForwardConfiguration
{
    /// <summary>Whether gate, up and down have biases.</summary>
    public bool HasBias { get; init; }

    /// <summary>Gate and up [width, h], down [h, width], norm [h]; biases [width], [width] and [h].</summary>
    public override long ParameterCount(ModelConfiguration model) =>
        (3L * Width * model.HiddenSize) + model.HiddenSize + (HasBias ? (2L * Width) + model.HiddenSize : 0);

    /// <inheritdoc />
    public override double FlopsPerToken(ModelConfiguration model) => 6.0 * Width * model.HiddenSize;

    /// <inheritdoc />
    public override string ToString() => HasBias ? $"ffn{Width}-bias" : $"ffn{Width}";
}
