using Tessera.Evaluation;
using Tessera.Kernels;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>Gathers KL and both models' cross-entropies by position and document.</summary>
/// <remarks>Ranges double: 0–63, 64–127, 128–255, and so on; errors come from the spread between documents.</remarks>
internal sealed unsafe class PositionSums
{
    private const int FirstRange = 64;
    private const int Figures = 3;

    private readonly int[] _ends;
    private readonly List<(double Sum, double Weight)>[,] _sums;

    /// <summary>Sums for positions below a length.</summary>
    public PositionSums(int length)
    {
        var ends = new List<int>();
        for (long end = FirstRange; end < length; end *= 2)
        {
            ends.Add((int)end);
        }

        _ends = [.. ends, length];
        _sums = new List<(double, double)>[_ends.Length + 1, Figures];
        for (int i = 0; i < _sums.Length; i++)
        {
            _sums[i / Figures, i % Figures] = [];
        }
    }

    /// <summary>Adds a batch, as <see cref="ModelScorer"/> brings it.</summary>
    public void Add(Executor executor, CalibrationSteps steps, int batch, in ModelComparison compared)
    {
        int tokens = compared.Hidden.Rows;
        var packed = steps.Batches[batch];
        float* weights = executor.Arena.Floats(tokens), losses = executor.Arena.Floats(tokens);
        int* targets = (int*)executor.Arena.Allocate((long)tokens * sizeof(int));
        executor.Device.Upload<float>(packed.Weights, (nint)weights);
        executor.Device.Upload<int>(packed.Targets, (nint)targets);
        LinearKl.Run(
            executor.Device, compared.Hidden.Data, compared.Head.View, compared.ParentHidden.Data, compared.ParentHead.View, weights, 1f, losses,
            default, false, default, tokens, compared.Hidden.Columns, compared.ParentHidden.Columns, compared.Head.Rows, 1f);
        Gather(executor, steps, batch, 0, losses);
        CrossEntropy(compared.ParentHidden, compared.ParentHead);
        Gather(executor, steps, batch, 1, losses);
        CrossEntropy(compared.Hidden, compared.Head);
        Gather(executor, steps, batch, 2, losses);

        void CrossEntropy(Tensor hidden, Parameter head) => LinearCrossEntropy.Run(
            executor.Device, hidden.Data, head.View, targets, weights, losses, default, default, tokens, hidden.Columns, head.Rows, 1f);
    }

    /// <summary>The table.</summary>
    public PositionTable Summarise() => new(_ends[^1], [.. Enumerable.Range(0, _ends.Length + 1).Where(range => _sums[range, 0].Count > 0).Select(Bucket)]);

    private PositionBucket Bucket(int range) => new(
        range == 0 || range == _ends.Length ? 0 : _ends[range - 1], range == _ends.Length ? _ends[^1] : _ends[range],
        _sums[range, 0].Sum(part => part.Weight), Estimate(range, 0), Estimate(range, 1), Estimate(range, 2));

    private Estimate Estimate(int range, int figure)
    {
        var ratio = RatioEstimate.Of(_sums[range, figure]);
        return new Estimate(ratio.Value, ratio.StandardError ?? 0, _sums[range, figure].Count);
    }

    private void Gather(Executor executor, CalibrationSteps steps, int batch, int figure, float* deviceLosses)
    {
        float[] weights = steps.Batches[batch].Weights, losses = new float[weights.Length];
        executor.Device.Download<float>((nint)deviceLosses, losses);
        foreach (var span in steps.Steps[batch].Spans)
        {
            var (whole, wholeWeight) = (0.0, 0.0);
            for (int range = 0, start = 0; range < _ends.Length && start < span.Count; start = _ends[range++])
            {
                var (sum, weight) = (0.0, 0.0);
                for (int i = span.Start + start; i < span.Start + Math.Min(_ends[range], span.Count); i++)
                {
                    sum += (double)weights[i] * losses[i];
                    weight += weights[i];
                }

                Keep(range, sum, weight);
                whole += sum;
                wholeWeight += weight;
            }

            Keep(_ends.Length, whole, wholeWeight);
        }

        void Keep(int range, double sum, double weight)
        {
            if (weight > 0)
            {
                _sums[range, figure].Add((sum, weight));
            }
        }
    }
}
