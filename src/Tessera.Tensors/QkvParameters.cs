using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>What is applied to a packed query-key-value projection; parts that a layer does not have are null.</summary>
/// <param name="Bias">[(H + 2K)·E, 1].</param>
/// <param name="QueryGain">Gain of the norm of every query head, [1, E]; both gains are there or none.</param>
/// <param name="KeyGain">Gain of the norm of every key head, [1, E].</param>
/// <param name="Epsilon">Added to the mean square of a head.</param>
public sealed record QkvParameters(Parameter? Bias, Parameter? QueryGain, Parameter? KeyGain, float Epsilon)
{
    /// <summary>The parts that are there.</summary>
    public IEnumerable<Parameter> Parameters => ((Parameter?[])[Bias, QueryGain, KeyGain]).OfType<Parameter>();

    /// <summary>Whether a part asks for a gradient.</summary>
    internal bool IsTrainable =>
        Bias is { IsTrainable: true } || QueryGain is { IsTrainable: true } || KeyGain is { IsTrainable: true };

    /// <summary>Addresses of the masters.</summary>
    internal QkvWeights Weights => new()
    {
        Bias = Bias?.Elements ?? default,
        QueryGain = QueryGain?.Elements ?? default,
        KeyGain = KeyGain?.Elements ?? default,
        Epsilon = Epsilon,
    };

    /// <summary>Addresses of the gradients; null for what is frozen.</summary>
    internal QkvWeights Gradients => new()
    {
        Bias = Bias?.Gradient ?? default,
        QueryGain = QueryGain?.Gradient ?? default,
        KeyGain = KeyGain?.Gradient ?? default,
    };
}
