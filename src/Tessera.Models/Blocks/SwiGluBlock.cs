using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>down( silu(gate x) · (up x) ), gate and up in one packed projection, with biases or without.</summary>
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

    /// <summary>Bias of gate and up, [2·width, 1], or null.</summary>
    public Parameter? GateUpBias { get; init; }

    /// <summary>Bias of the down projection, [hidden, 1], or null.</summary>
    public Parameter? DownBias { get; init; }

    /// <inheritdoc />
    public override IEnumerable<Parameter> Parameters => [Norm, gateUp, down, .. Biases];

    /// <inheritdoc />
    public override IEnumerable<Parameter> Biases => ((Parameter?[])[GateUpBias, DownBias]).OfType<Parameter>();

    /// <inheritdoc />
    public override IEnumerable<WeightSlice> Slices(string prefix)
    {
        yield return WeightSlice.Vector(prefix + "post_attention_layernorm.weight", Norm);
        (string Name, int Start)[] parts = [("gate_proj", 0), ("up_proj", Width)];
        foreach (var (name, start) in parts)
        {
            yield return new WeightSlice($"{prefix}mlp.{name}.weight", gateUp, start, Width, false);
            if (GateUpBias is not null)
            {
                yield return new WeightSlice($"{prefix}mlp.{name}.bias", GateUpBias, start, Width, true);
            }
        }

        yield return WeightSlice.Matrix(prefix + "mlp.down_proj.weight", down);
        if (DownBias is not null)
        {
            yield return WeightSlice.Vector(prefix + "mlp.down_proj.bias", DownBias);
        }
    }

    /// <inheritdoc />
    public override Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination)
    {
        var result = executor.Linear(Activate(executor, normalised), down, destination);
        return DownBias is null ? result : executor.AddBias(result, DownBias);
    }

    /// <summary>The input of the down projection, [tokens, width].</summary>
    public Tensor Activate(Executor executor, Tensor normalised)
    {
        var packed = executor.Linear(normalised, gateUp);
        return executor.SwiGlu(GateUpBias is null ? packed : executor.AddBias(packed, GateUpBias));
    }
}
