using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>Runs the two halves of a layer one by one on given inputs.</summary>
public static class LayerHalves
{
    /// <summary>r + SubBlock(RMSNorm(r)), or r itself where the half is absent. The angles must cover the step's positions.</summary>
    /// <param name="executor">Runs and, with a tape, records.</param>
    /// <param name="model">Settings of the model.</param>
    /// <param name="step">The tokens.</param>
    /// <param name="half">The half.</param>
    /// <param name="residual">What it sees, [tokens, hidden].</param>
    public static Tensor Half(Executor executor, ModelConfiguration model, StepBatch step, SubBlock? half, Tensor residual)
    {
        if (half is null)
        {
            return residual;
        }

        var normalised = executor.RmsNorm(residual, half.Norm, (float)model.RmsNormEpsilon);
        var branch = half.Apply(executor, normalised, step, null, 0, default);
        return executor.Add(residual, branch);
    }

    /// <summary>A copy of a tensor in an arena that outlives the one it was computed in.</summary>
    internal static Tensor Keep(Devices.Arena arena, Tensor source)
    {
        var copy = new Tensor(arena.Allocate(source.Bytes), source.Rows, source.Columns, source.Type);
        arena.Memory.Copy(source.Address, copy.Address, source.Bytes);
        return copy;
    }

    /// <summary>What a layer adds to the residual stream, f(r) − r, as the sum of its branches; empty where the layer is.</summary>
    /// <param name="executor">Runs; its arena takes the result.</param>
    /// <param name="model">The model.</param>
    /// <param name="step">The tokens, prepared.</param>
    /// <param name="residual">Input of the layer, [tokens, hidden].</param>
    /// <param name="layer">The layer.</param>
    public static Tensor Contribution(Executor executor, Decoder model, StepBatch step, Tensor residual, int layer)
    {
        var sum = default(Tensor);
        foreach (var half in (ReadOnlySpan<SubBlock?>)[model.Layers[layer].Mixer, model.Layers[layer].FeedForward])
        {
            if (half is null)
            {
                continue;
            }

            var input = sum.Exists ? executor.Add(residual, sum) : residual;
            var normalised = executor.RmsNorm(input, half.Norm, (float)model.Configuration.RmsNormEpsilon);
            var branch = half.Apply(executor, normalised, step, null, layer, default);
            sum = sum.Exists ? executor.Add(sum, branch) : branch;
        }

        return sum;
    }
}
