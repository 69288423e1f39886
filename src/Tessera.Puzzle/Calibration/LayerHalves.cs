using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>Runs the two halves of a layer one by one on cached inputs.</summary>
public static class LayerHalves
{
    /// <summary>r + Mixer(RMSNorm(r)): what the feed-forward of a layer sees.</summary>
    public static Tensor Middle(Executor executor, Decoder parent, CalibrationBatch batch, int layer) =>
        Half(executor, parent, batch, parent.Layers[layer].Mixer, batch.States[layer], layer);

    /// <summary>r + SubBlock(RMSNorm(r)), or r itself where the half is absent.</summary>
    public static Tensor Half(
        Executor executor, Decoder parent, CalibrationBatch batch, SubBlock? half, Tensor residual, int layer)
    {
        if (half is null)
        {
            return residual;
        }

        var normalised = executor.RmsNorm(residual, half.Norm, (float)parent.Configuration.RmsNormEpsilon);
        var branch = half.Apply(executor, normalised, batch.Step, null, layer, default);
        return executor.Add(residual, branch);
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
