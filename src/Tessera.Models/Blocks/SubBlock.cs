using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>
/// Half a layer: a mixer or a feed-forward. Adds <c>Apply(RMSNorm(r))</c> to the residual stream r; norm and weights of a
/// sub-block that is absent are absent too.
/// </summary>
public abstract class SubBlock(Parameter norm)
{
    /// <summary>Gain of the norm in front.</summary>
    public Parameter Norm { get; } = norm;

    /// <summary>The norm and the weights.</summary>
    public abstract IEnumerable<Parameter> Parameters { get; }

    /// <summary>Those of the weights that are biases, [outputs, 1].</summary>
    public virtual IEnumerable<Parameter> Biases => [];

    /// <summary>The tensors it is stored as, and which rows of which parameter each of them is.</summary>
    /// <param name="prefix">For instance <c>model.layers.3.</c>.</param>
    public abstract IEnumerable<WeightSlice> Slices(string prefix);

    /// <summary>The branch that is added to the residual, into <paramref name="destination"/> where it exists.</summary>
    /// <param name="executor">Runs and, with a tape, records.</param>
    /// <param name="normalised">Normalised residual, [tokens, hidden].</param>
    /// <param name="step">The step's sequences and positions.</param>
    /// <param name="cache">State of earlier positions, or null where the step holds whole sequences.</param>
    /// <param name="layer">Index of the layer, for the cache.</param>
    /// <param name="destination">Optional room for the result.</param>
    public abstract Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination);
}

/// <summary>One stored tensor and the rows of a parameter that hold it.</summary>
/// <param name="Name">Name in the checkpoint.</param>
/// <param name="Parameter">The parameter, perhaps a concatenation of several tensors by rows.</param>
/// <param name="RowStart">First row.</param>
/// <param name="Rows">Rows.</param>
/// <param name="IsVector">True for gains and biases, stored with one dimension.</param>
public readonly record struct WeightSlice(string Name, Parameter Parameter, int RowStart, int Rows, bool IsVector)
{
    /// <summary>A whole matrix.</summary>
    public static WeightSlice Matrix(string name, Parameter parameter) => new(name, parameter, 0, parameter.Rows, false);

    /// <summary>A whole gain or bias.</summary>
    public static WeightSlice Vector(string name, Parameter parameter) => new(name, parameter, 0, parameter.Rows, true);

    /// <summary>The shape in the checkpoint.</summary>
    public long[] Shape => IsVector ? [(long)Rows * Parameter.Columns] : [Rows, Parameter.Columns];
}
