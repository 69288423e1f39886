using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// How much each FFN channel contributes (Puzzle, appendix A): score_i = mean over tokens of |x_i| · ‖w_i‖₂, with x the
/// input of the down projection and w_i its column i. Removing channel i alone changes the output by exactly |x_i| · ‖w_i‖₂.
/// </summary>
public static unsafe class ChannelContribution
{
    /// <summary>Scores of a layer's channels; empty where the layer has no SwiGLU.</summary>
    public static double[] Score(Device device, ParentActivations activations, int layer)
    {
        if (activations.Parent.Layers[layer].FeedForward is not SwiGluBlock feedForward)
        {
            return [];
        }

        var sums = new double[feedForward.Width];
        var norms = new double[feedForward.Width];
        using var arena = device.CreateArena("channel scores");
        double* deviceSums = (double*)arena.AllocateZeroed((long)sums.Length * sizeof(double));
        double* deviceNorms = (double*)arena.Allocate((long)norms.Length * sizeof(double));
        var mark = arena.Mark();
        foreach (var batch in activations.Batches)
        {
            arena.Release(mark);
            var executor = new Executor(device, arena, null);
            var middle = LayerHalves.Middle(executor, activations.Parent, batch, layer);
            var normalised = executor.RmsNorm(
                middle, feedForward.Norm, (float)activations.Parent.Configuration.RmsNormEpsilon);
            var activated = feedForward.Activate(executor, normalised);
            ChannelStatistics.AccumulateAbsolute(device, activated.Data, deviceSums, activated.Rows, activated.Columns);
        }

        ChannelStatistics.ColumnNorms(device, feedForward.Down.View, deviceNorms);
        device.Download<double>((nint)deviceSums, sums);
        device.Download<double>((nint)deviceNorms, norms);
        return [.. sums.Zip(norms, (sum, norm) => sum / activations.Tokens * norm)];
    }

    /// <summary>Channels by falling score, the lower index first among equals.</summary>
    public static int[] Order(double[] scores)
    {
        int[] order = [.. Enumerable.Range(0, scores.Length)];
        Array.Sort(order, (a, b) => scores[a] != scores[b] ? scores[b].CompareTo(scores[a]) : a.CompareTo(b));
        return order;
    }
}
