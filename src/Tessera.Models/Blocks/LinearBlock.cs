using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>One matrix [hidden, hidden] in place of a mixer or a feed-forward.</summary>
/// <param name="norm">Gain [1, hidden].</param>
/// <param name="weight">[hidden, hidden].</param>
/// <param name="isMixer">Whether it stands where attention stood, which decides its names on disk.</param>
public sealed class LinearBlock(Parameter norm, Parameter weight, bool isMixer) : SubBlock(norm)
{
    /// <summary>The matrix.</summary>
    public Parameter Weight => weight;

    /// <inheritdoc />
    public override IEnumerable<Parameter> Parameters => [Norm, weight];

    /// <inheritdoc />
    public override IEnumerable<WeightSlice> Slices(string prefix)
    {
        yield return WeightSlice.Vector(prefix + (isMixer ? "input_layernorm.weight" : "post_attention_layernorm.weight"), Norm);
        yield return WeightSlice.Matrix(
            prefix + (isMixer ? "self_attn.linear_attn.weight" : "mlp.linear_mlp.weight"), weight);
    }

    /// <inheritdoc />
    public override Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination) =>
        executor.Linear(normalised, weight, destination);
}
