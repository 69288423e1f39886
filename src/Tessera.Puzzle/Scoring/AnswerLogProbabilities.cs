using Tessera.Kernels;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// The parent's log-probability of every document's tokens with weight, all of a document together: with the answers alone weighted, that of
/// writing the reference answer when everything before it is given (teacher forcing). Computed once a batch.
/// </summary>
/// <param name="steps">The batches.</param>
internal sealed unsafe class AnswerLogProbabilities(CalibrationSteps steps)
{
    private readonly double[]?[] _batches = new double[]?[steps.Count];

    /// <summary>Nats, one number a document.</summary>
    /// <param name="executor">Runs; its arena takes what is computed on the way.</param>
    /// <param name="batch">Which batch.</param>
    /// <param name="hidden">The parent's normalised hidden states.</param>
    /// <param name="head">The parent's head.</param>
    public double[] Of(Executor executor, int batch, Tensor hidden, Parameter head) => _batches[batch] ??= Compute(executor, batch, hidden, head);

    private double[] Compute(Executor executor, int batch, Tensor hidden, Parameter head)
    {
        int tokens = hidden.Rows;
        float* weights = ScoreSums.Upload(executor, steps.Batches[batch].Weights), logs = executor.Arena.Floats(tokens);
        LinearLogProb.Run(
            executor.Device, hidden.Data, head.View, ScoreSums.UploadTargets(executor, steps.Batches[batch].Targets), weights, 1f, logs, null,
            tokens, hidden.Columns, head.Rows);
        float[] found = ScoreSums.Download(executor.Device, logs, tokens);
        var spans = steps.Steps[batch].Spans;
        double[] sums = new double[spans.Length];
        for (int d = 0; d < sums.Length; d++)
        {
            for (int i = spans[d].Start; i < spans[d].Start + spans[d].Count; i++)
            {
                sums[d] += found[i];
            }
        }

        return sums;
    }
}
