using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Kernels;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>KL(parent ‖ child) of the next-token distributions, nats a token, gathered document by document.</summary>
internal sealed unsafe class DivergenceSums
{
    private readonly List<(double Loss, double Weight)> _documents = [];

    /// <summary>Adds a batch.</summary>
    /// <param name="executor">Runs; its arena takes what is computed on the way.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="batch">Which; batches come in order.</param>
    /// <param name="hidden">The child's normalised hidden states.</param>
    /// <param name="head">The child's head.</param>
    /// <param name="parentHidden">The parent's normalised hidden states.</param>
    /// <param name="parentHead">The parent's head.</param>
    public void Add(
        Executor executor, CalibrationSteps steps, int batch, Tensor hidden, Parameter head, Tensor parentHidden, Parameter parentHead)
    {
        int tokens = hidden.Rows;
        float[] weights = steps.Batches[batch].Weights, losses = new float[tokens];
        float* deviceWeights = executor.Arena.Floats(tokens);
        float* deviceLosses = executor.Arena.Floats(tokens);
        var device = executor.Device;
        device.Upload<float>(weights, (nint)deviceWeights);
        LinearKl.Run(
            device, hidden.Data, head.View, parentHidden.Data, parentHead.View, deviceWeights, 1f, deviceLosses, default,
            false, default, tokens, hidden.Columns, parentHidden.Columns, head.Rows, 1f);
        device.Download<float>((nint)deviceLosses, losses);
        foreach (var span in steps.Steps[batch].Spans)
        {
            double loss = 0, weight = 0;
            for (int i = span.Start; i < span.Start + span.Count; i++)
            {
                loss += (double)weights[i] * losses[i];
                weight += weights[i];
            }

            if (weight > 0)
            {
                _documents.Add((loss, weight));
            }
        }
    }

    /// <summary>Ratio of sums (a token counts the same in a short and a long document) and its standard error, 0 for one document.</summary>
    public Estimate Summarise()
    {
        var ratio = RatioEstimate.Of(_documents);
        return new Estimate(ratio.Value, ratio.StandardError ?? 0, _documents.Count);
    }
}
