using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// What whole children lose to their parent: KL(parent ‖ child) of the next-token distributions, averaged over tokens, and the other measures
/// of <see cref="BlockScore"/>. The layers of the parent and of all children pass by one at a time.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="parent">The parent, in f32.</param>
/// <param name="steps">The batches.</param>
/// <param name="memory">How much may be in memory at a time.</param>
public sealed class ModelScorer(Device device, ModelParts parent, CalibrationSteps steps, StreamingMemory memory)
{
    /// <summary>Divergences of children with any number of layers, each with its own token table and head or the parent's.</summary>
    public Estimate[] Score(IReadOnlyList<ModelParts> children) => [.. ScoreAll(children).Select(score => score.Divergence)];

    /// <summary>All measures of children with any number of layers, each with its own token table and head or the parent's.</summary>
    /// <param name="children">The children.</param>
    /// <param name="withAnswers">Whether the tokens with weight are answers, whose probability is scored as well.</param>
    public BlockScore[] ScoreAll(IReadOnlyList<ModelParts> children, bool withAnswers = false)
    {
        // The parent is the model in front; it is compared with the others.
        ModelParts[] models = [parent, .. children];
        Array.ForEach(models, steps.Prepare);
        var sums = children.Select(_ => new ScoreSums()).ToArray();
        var answers = withAnswers ? new AnswerLogProbabilities(steps) : null;
        using var weights = device.CreateArena("layer");
        using var streams = new StreamWindow(device, steps, parent.Configuration, models.Length, memory.WindowBytes);
        foreach (var window in streams.Windows())
        {
            for (int m = 0; m < models.Length; m++)
            {
                if (m > 0 && ReferenceEquals(models[m].OwnerOfEnds, parent))
                {
                    Copy(window, 0, m);
                    continue;
                }

                weights.Reset();
                Embed(window, m, models[m].Embedding(weights));
            }

            for (int layer = 0; layer < models.Max(model => model.LayerCount); layer++)
            {
                for (int m = 0; m < models.Length; m++)
                {
                    if (layer < models[m].LayerCount)
                    {
                        weights.Reset();
                        window.Apply(m, models[m].Layer(layer, weights));
                    }
                }
            }

            weights.Reset();
            Compare(window, models, weights, sums, answers);
        }

        return [.. sums.Select(sum => sum.Summarise(withAnswers))];
    }

    private unsafe void Embed(StreamWindow window, int model, Parameter table)
    {
        for (int batch = window.First; batch < window.End; batch++)
        {
            var step = steps.Steps[batch];
            window.Set(model, batch, window.Fresh().Embed(step.Ids, step.Tokens, table));
        }
    }

    private static void Copy(StreamWindow window, int from, int to)
    {
        for (int batch = window.First; batch < window.End; batch++)
        {
            window.Set(to, batch, window[from, batch]);
        }
    }

    private void Compare(StreamWindow window, ModelParts[] models, Arena weights, ScoreSums[] sums, AnswerLogProbabilities? answers)
    {
        float epsilon = (float)parent.Configuration.RmsNormEpsilon;
        // The large one first: it finds the room of the token table.
        Parameter head = models[0].Head(weights), norm = models[0].FinalNorm(weights);
        for (int m = 1; m < models.Length; m++)
        {
            var mark = weights.Mark();
            bool shares = ReferenceEquals(models[m].OwnerOfEnds, parent);
            Parameter childHead = shares ? head : models[m].Head(weights), childNorm = shares ? norm : models[m].FinalNorm(weights);
            for (int batch = window.First; batch < window.End; batch++)
            {
                var executor = window.Fresh();
                var reference = executor.RmsNorm(window[0, batch], norm, epsilon);
                var hidden = executor.RmsNorm(window[m, batch], childNorm, epsilon);
                sums[m - 1].Add(
                    executor, steps, batch, hidden, childHead, reference, head, answers?.Of(executor, batch, reference, head));
            }

            weights.Release(mark);
        }
    }
}
