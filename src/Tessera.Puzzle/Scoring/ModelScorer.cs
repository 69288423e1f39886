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
    /// <summary>A scorer within a share of the device's memory.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="parent">The model that the others are compared with.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="cap">As <see cref="StreamingMemory.Of"/> takes it.</param>
    public ModelScorer(Device device, ModelParts parent, CalibrationSteps steps, long? cap)
        : this(device, parent, steps, StreamingMemory.Of(device, parent, steps, cap))
    {
    }

    /// <summary>Divergences of children with any number of layers, each with its own token table and head or the parent's.</summary>
    public Estimate[] Score(IReadOnlyList<ModelParts> children) => [.. ScoreAll(children).Select(score => score.Divergence)];

    /// <summary>All measures of children with any number of layers, each with its own token table and head or the parent's.</summary>
    /// <param name="children">The children.</param>
    /// <param name="withAnswers">Whether the tokens with weight are answers, whose probability is scored as well.</param>
    public BlockScore[] ScoreAll(IReadOnlyList<ModelParts> children, bool withAnswers = false)
    {
        var sums = children.Select(_ => new ScoreSums()).ToArray();
        var answers = withAnswers ? new AnswerLogProbabilities(steps) : null;
        Pass(children, (executor, child, batch, compared) => sums[child].Add(
            executor, steps, batch, compared.Hidden, compared.Head, compared.ParentHidden, compared.ParentHead,
            answers?.Of(executor, batch, compared.ParentHidden, compared.ParentHead)));
        return [.. sums.Select(sum => sum.Summarise(withAnswers))];
    }

    /// <summary>Parent and one child by position of the token.</summary>
    /// <param name="child">As <see cref="Score"/> takes it.</param>
    /// <param name="length">Longest document of the batches.</param>
    public PositionTable Positions(ModelParts child, int length)
    {
        var sums = new PositionSums(length);
        Pass([child], (executor, _, batch, compared) => sums.Add(executor, steps, batch, compared));
        return sums.Summarise();
    }

    /// <summary>Leads parent and children through their layers and hands over what their heads read, batch by batch in order.</summary>
    /// <param name="children">As <see cref="Score"/> takes them.</param>
    /// <param name="compare">Called with an executor for what is computed on the way, number of the child, number of the batch.</param>
    private void Pass(IReadOnlyList<ModelParts> children, Action<Executor, int, int, ModelComparison> compare)
    {
        // The parent is the model in front; it is compared with the others.
        ModelParts[] models = [parent, .. children];
        Array.ForEach(models, steps.Prepare);
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
            Compare(window, models, weights, compare);
        }
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

    private void Compare(StreamWindow window, ModelParts[] models, Arena weights, Action<Executor, int, int, ModelComparison> compare)
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
                compare(executor, m - 1, batch, new ModelComparison(hidden, childHead, reference, head));
            }

            weights.Release(mark);
        }
    }
}
