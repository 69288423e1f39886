using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>down( silu(gate x) · (up x) ), gate and up in one packed projection.</summary>
/// <param name="norm">Gain [1, hidden].</param>
/// <param name="gateUp">[2·width, hidden]: gate rows, then up rows.</param>
/// <param name="down">[hidden, width].</param>
public sealed class SwiGluBlock(Parameter norm, Parameter gateUp, Parameter down) : SubBlock(norm)
{
    /// <summary>Intermediate channels.</summary>
    public int Width => down.Columns;

    /// <summary>Gate and up rows, [2·width, hidden].</summary>
    public Parameter GateUp => gateUp;

    /// <summary>The down projection, [hidden, width].</summary>
    public Parameter Down => down;

    /// <inheritdoc />
    public override IEnumerable<Parameter> Parameters => [Norm, gateUp, down];

    /// <inheritdoc />
    public override IEnumerable<WeightSlice> Slices(string prefix)
    {
        yield return WeightSlice.Vector(prefix + "post_attention_layernorm.weight", Norm);
        yield return new WeightSlice(prefix + "mlp.gate_proj.weight", gateUp, 0, Width, false);
        yield return new WeightSlice(prefix + "mlp.up_proj.weight", gateUp, Width, Width, false);
        yield return WeightSlice.Matrix(prefix + "mlp.down_proj.weight", down);
    }

    /// <inheritdoc />
    public override Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination)
    {
        var activated = Activate(executor, normalised);
        var branch = executor.Linear(activated, down, destination);
        executor.Forget(activated);
        return branch;
    }

    /// <summary>The input of the down projection, [tokens, width].</summary>
    public Tensor Activate(Executor executor, Tensor normalised) => executor.SwiGlu(executor.Linear(normalised, gateUp));
}
