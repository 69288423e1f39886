using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// How much each FFN channel contributes (Puzzle, appendix A): score_i = mean over tokens of |x_i| · ‖w_i‖₂, with x the
/// input of the down projection and w_i its column i. Removing channel i alone changes the output by exactly |x_i| · ‖w_i‖₂.
/// </summary>
public sealed unsafe class ChannelContribution : IDisposable
{
    private readonly Device _device;
    private readonly SwiGluBlock? _feedForward;
    private readonly ModelConfiguration _model;
    private readonly Arena _arena;
    private readonly double* _sums;
    private long _tokens;

    /// <summary>Begins with no token.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="feedForward">The block, or null where the layer has no SwiGLU: then nothing is counted.</param>
    /// <param name="model">Its model's settings.</param>
    public ChannelContribution(Device device, SwiGluBlock? feedForward, ModelConfiguration model)
    {
        (_device, _feedForward, _model) = (device, feedForward, model);
        _arena = device.CreateArena("channel scores");
        _sums = (double*)_arena.AllocateZeroed((long)(feedForward?.Width ?? 0) * sizeof(double));
    }

    /// <summary>Adds the tokens of a batch.</summary>
    /// <param name="executor">Runs; its arena takes what is computed on the way.</param>
    /// <param name="middle">The residual stream in front of the feed-forward, [tokens, hidden].</param>
    public void Add(Executor executor, Tensor middle)
    {
        if (_feedForward is null)
        {
            return;
        }

        var normalised = executor.RmsNorm(middle, _feedForward.Norm, (float)_model.RmsNormEpsilon);
        var activated = _feedForward.Activate(executor, normalised);
        ChannelStatistics.AccumulateAbsolute(_device, activated.Data, _sums, activated.Rows, activated.Columns);
        _tokens += middle.Rows;
    }

    /// <summary>Scores of the channels over all tokens so far; empty where there is no SwiGLU.</summary>
    public double[] Scores()
    {
        if (_feedForward is null)
        {
            return [];
        }

        var sums = new double[_feedForward.Width];
        var norms = new double[_feedForward.Width];
        double* deviceNorms = (double*)_arena.Allocate((long)norms.Length * sizeof(double));
        ChannelStatistics.ColumnNorms(_device, _feedForward.Down.View, deviceNorms);
        _device.Download<double>((nint)_sums, sums);
        _device.Download<double>((nint)deviceNorms, norms);
        return [.. sums.Zip(norms, (sum, norm) => sum / _tokens * norm)];
    }

    /// <summary>Channels by falling score, the lower index first among equals.</summary>
    public static int[] Order(double[] scores)
    {
        int[] order = [.. Enumerable.Range(0, scores.Length)];
        Array.Sort(order, (a, b) => scores[a] != scores[b] ? scores[b].CompareTo(scores[a]) : a.CompareTo(b));
        return order;
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();
}
