using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Kernels;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>What a child loses to its parent, gathered document by document; all measures come from one pass over the head.</summary>
/// <remarks>
/// Per token: KL(parent ‖ child), log p[y] − log q[y] of the token y that follows, 1 − cosine of the states behind the final norm. Where the
/// parent's log-probabilities A of whole answers are given, per document also e^A − e^(A − E) with E the sum of log p[y] − log q[y] over its
/// tokens with weight: the answer's probability under the parent minus that under the child.
/// </remarks>
internal sealed unsafe class ScoreSums
{
    private readonly List<DocumentScore> _documents = [];
    private bool _hasHidden = true;

    /// <summary>Documents so far.</summary>
    public int Count => _documents.Count;

    /// <summary>Adds a batch.</summary>
    /// <param name="executor">Runs; its arena takes what is computed on the way.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="batch">Which; batches come in order.</param>
    /// <param name="hidden">The child's normalised hidden states.</param>
    /// <param name="head">The child's head.</param>
    /// <param name="parentHidden">The parent's normalised hidden states.</param>
    /// <param name="parentHead">The parent's head.</param>
    /// <param name="answers">The parent's log-probability of every document's tokens with weight, or null where answers are not scored.</param>
    public void Add(
        Executor executor, CalibrationSteps steps, int batch, Tensor hidden, Parameter head, Tensor parentHidden, Parameter parentHead,
        double[]? answers = null)
    {
        int tokens = hidden.Rows;
        float[] weights = steps.Batches[batch].Weights;
        var device = executor.Device;
        float* deviceWeights = Upload(executor, weights), losses = executor.Arena.Floats(tokens), excess = executor.Arena.Floats(tokens);
        int* targets = UploadTargets(executor, steps.Batches[batch].Targets);
        LinearKl.Run(
            device, hidden.Data, head.View, parentHidden.Data, parentHead.View, deviceWeights, 1f, losses, default,
            false, default, tokens, hidden.Columns, parentHidden.Columns, head.Rows, 1f, null, targets, excess);
        float[] divergences = Download(device, losses, tokens), above = Download(device, excess, tokens), distances = [];
        _hasHidden &= hidden.Columns == parentHidden.Columns;
        if (_hasHidden)
        {
            HiddenLoss.Cosine(device, hidden.Data, parentHidden.Data, deviceWeights, losses, default, tokens, hidden.Columns, 1f);
            distances = Download(device, losses, tokens);
        }

        var spans = steps.Steps[batch].Spans;
        for (int d = 0; d < spans.Length; d++)
        {
            var sum = default(DocumentScore);
            double lost = 0;
            for (int i = spans[d].Start; i < spans[d].Start + spans[d].Count; i++)
            {
                sum.Divergence += (double)weights[i] * divergences[i];
                sum.Excess += (double)weights[i] * above[i];
                sum.Distance += _hasHidden ? (double)weights[i] * distances[i] : 0;
                sum.Weight += weights[i];
                lost += above[i];
            }

            if (sum.Weight > 0)
            {
                sum.LostAnswer = answers is null ? 0 : Math.Exp(answers[d]) - Math.Exp(answers[d] - lost);
                _documents.Add(sum);
            }
        }
    }

    /// <summary>Ratios of sums (a token counts the same in a short and a long document) with their standard errors, 0 for one document.</summary>
    /// <param name="withAnswers">Whether answers were scored.</param>
    public BlockScore Summarise(bool withAnswers = false) => Summarise(_documents, withAnswers, _hasHidden);

    /// <summary>This one's measures minus another's, paired on the documents that both have; those are the first of each.</summary>
    public BlockScore Minus(ScoreSums other, bool withAnswers)
    {
        int count = Math.Min(Count, other.Count);
        var differences = new List<DocumentScore>(count);
        for (int d = 0; d < count; d++)
        {
            var (one, from) = (_documents[d], other._documents[d]);
            differences.Add(new DocumentScore
            {
                Weight = one.Weight,
                Divergence = one.Divergence - from.Divergence,
                Excess = one.Excess - from.Excess,
                Distance = one.Distance - from.Distance,
                LostAnswer = one.LostAnswer - from.LostAnswer,
            });
        }

        return Summarise(differences, withAnswers, _hasHidden && other._hasHidden);
    }

    private static BlockScore Summarise(List<DocumentScore> documents, bool withAnswers, bool withHidden)
    {
        Estimate Of(Func<DocumentScore, (double, double)> pair)
        {
            var ratio = RatioEstimate.Of([.. documents.Select(pair)]);
            return new Estimate(ratio.Value, ratio.StandardError ?? 0, documents.Count);
        }

        return new BlockScore(
            Of(document => (document.Divergence, document.Weight)), Of(document => (document.Excess, document.Weight)),
            withHidden ? Of(document => (document.Distance, document.Weight)) : null)
        {
            Answer = withAnswers ? Of(document => (document.LostAnswer, 1)) : null,
        };
    }

    /// <summary>Floats in the executor's arena.</summary>
    internal static float* Upload(Executor executor, float[] values)
    {
        float* room = executor.Arena.Floats(values.Length);
        executor.Device.Upload<float>(values, (nint)room);
        return room;
    }

    /// <summary>Token ids in the executor's arena.</summary>
    internal static int* UploadTargets(Executor executor, int[] targets)
    {
        nint room = executor.Arena.Allocate((long)targets.Length * sizeof(int));
        executor.Device.Upload<int>(targets, room);
        return (int*)room;
    }

    internal static float[] Download(Device device, float* values, int count)
    {
        float[] result = new float[count];
        device.Download<float>((nint)values, result);
        return result;
    }

    /// <summary>A document's sums over its tokens by their weights.</summary>
    private struct DocumentScore
    {
        public double Weight;
        public double Divergence;
        public double Excess;
        public double Distance;
        public double LostAnswer;
    }
}
