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
}
