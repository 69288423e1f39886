using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Scoring;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Scoring;

public unsafe class ReplaceOneTests
{
    [Fact]
    public void The_parent_scores_exactly_zero_against_itself()
    {
        using var small = new SmallParent();
        using var states = small.States(1);
        using var scorer = new ReplaceOneScorer(small.Device, states.States, StreamingMemory.Least);
        for (int layer = 0; layer < 3; layer++)
        {
            var own = small.Model.Layers[layer];
            Assert.Equal([new Estimate(0, 0, 8)], scorer.Score(layer, [_ => own]).Select(score => score.Divergence));
        }

        Assert.Equal(0, states.Score(small.Device, small.Model).Mean);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_swap_scored_from_cached_states_equals_divergence_of_whole_models(int layer)
    {
        using var small = new SmallParent();
        using var states = small.States(2);
        using var scorer = new ReplaceOneScorer(small.Device, states.States, StreamingMemory.Least, withAnswers: true);
        var replacement = new DecoderLayer(null, small.Model.Layers[layer].FeedForward);
        var score = scorer.Score(layer, [_ => replacement])[0];
        var estimate = score.Divergence;

        var layers = small.Model.Layers.ToArray();
        layers[layer] = replacement;
        var shapes = small.Configuration.Layers.ToArray();
        shapes[layer] = shapes[layer] with { Mixer = new NoMixerConfiguration() };
        using var child = small.Model.WithLayers(small.Configuration with { Layers = [.. shapes] }, layers);
        double sum = 0, weight = 0, excess = 0, distance = 0, lost = 0;
        int documents = 0;
        foreach (var batch in states.Steps.Batches)
        {
            var (p, parentHidden) = Probabilities(small, small.Model, batch);
            var (q, childHidden) = Probabilities(small, child, batch);
            foreach (var (start, length) in Documents(batch))
            {
                double under = Enumerable.Range(start, length - 1).Select(t => p[(t * SmallParent.Vocabulary) + batch.Targets[t]]).Aggregate(1.0, (one, other) => one * other);
                double below = Enumerable.Range(start, length - 1).Select(t => q[(t * SmallParent.Vocabulary) + batch.Targets[t]]).Aggregate(1.0, (one, other) => one * other);
                lost += under - below;
                documents++;
            }

            for (int t = 0; t < batch.Ids.Length; t++)
            {
                if (batch.Weights[t] > 0)
                {
                    weight++;
                    int target = (t * SmallParent.Vocabulary) + batch.Targets[t];
                    excess += Math.Log(p[target] / q[target]);
                    distance += 1 - Cosine(parentHidden.AsSpan(t * 32, 32), childHidden.AsSpan(t * 32, 32));
                    for (int v = 0; v < SmallParent.Vocabulary; v++)
                    {
                        int i = (t * SmallParent.Vocabulary) + v;
                        sum += p[i] * Math.Log(p[i] / q[i]);
                    }
                }
            }
        }

        Assert.True(estimate.Mean > 1e-3);
        Assert.Equal(sum / weight, estimate.Mean, 1e-4 * estimate.Mean);
        Assert.InRange(estimate.StandardError, 1e-3 * estimate.Mean, estimate.Mean);
        Assert.Equal(estimate, states.Score(small.Device, child));
        Assert.Equal(excess / weight, score.LmLoss!.Value.Mean, 1e-4 * Math.Abs(excess / weight));
        Assert.Equal(distance / weight, score.Hidden!.Value.Mean, 1e-4 * distance / weight);
        Assert.Equal(lost / documents, score.Answer!.Value.Mean, 1e-4 * Math.Abs(lost / documents));
        Assert.All((Estimate?[])[score.LmLoss, score.Hidden, score.Answer], measure => Assert.True(measure!.Value is { StandardError: > 0, Documents: 8 }));
        Assert.Equal(
            score, new ModelScorer(small.Device, states.Parts, states.Steps, StreamingMemory.Least).ScoreAll([new Models.Checkpoints.ResidentParts(child)], withAnswers: true)[0]);
    }

    /// <summary>A child's own states and the parent's last ones: swaps around the child are held against the parent.</summary>
    [Fact]
    public void A_swap_around_a_child_equals_the_whole_child_with_that_swap()
    {
        using var small = new SmallParent();
        using var parent = small.States(2);
        var first = new DecoderLayer(null, small.Model.Layers[0].FeedForward);
        var second = new DecoderLayer(small.Model.Layers[2].Mixer, null);
        using var child = Swapped(small, (0, first));
        using var both = Swapped(small, (0, first), (2, second));
        using var states = new SmallStates(small.Device, child, parent.Steps.Batches);
        using var scorer = new ReplaceOneScorer(small.Device, states.States, StreamingMemory.Least, parent.States);
        var scorerOfModels = new ModelScorer(small.Device, parent.Parts, parent.Steps, StreamingMemory.Least);
        Assert.Equal(
            scorerOfModels.ScoreAll([new Models.Checkpoints.ResidentParts(both), new Models.Checkpoints.ResidentParts(child)]),
            scorer.Score(2, [_ => second, _ => child.Layers[2]]));

        // Back to the parent's own layer: nothing is lost any more.
        Assert.Equal(0, scorer.Score(0, [_ => small.Model.Layers[0]])[0].Divergence.Mean);
    }

    private static Decoder Swapped(SmallParent small, params (int Layer, DecoderLayer Blocks)[] swaps)
    {
        var layers = small.Model.Layers.ToArray();
        var shapes = small.Configuration.Layers.ToArray();
        foreach (var (layer, blocks) in swaps)
        {
            layers[layer] = blocks;
            shapes[layer] = new LayerConfiguration(
                blocks.Mixer is null ? new NoMixerConfiguration() : shapes[layer].Mixer, blocks.FeedForward is null ? new NoFeedForwardConfiguration() : shapes[layer].FeedForward);
        }

        return small.Model.WithLayers(small.Configuration with { Layers = [.. shapes] }, layers);
    }

    private static IEnumerable<(int Start, int Length)> Documents(Training.Data.PackedBatch batch)
    {
        int start = 0;
        foreach (int length in batch.Lengths)
        {
            yield return (start, length);
            start += length;
        }
    }

    private static double Cosine(ReadOnlySpan<float> one, ReadOnlySpan<float> other)
    {
        double product = 0, left = 0, right = 0;
        for (int i = 0; i < one.Length; i++)
        {
            product += (double)one[i] * other[i];
            left += (double)one[i] * one[i];
            right += (double)other[i] * other[i];
        }

        return product / Math.Sqrt(left * right);
    }

    private static (double[] Probabilities, float[] Hidden) Probabilities(SmallParent small, Decoder model, Training.Data.PackedBatch batch)
    {
        using var arena = new Devices.Arena("test");
        var executor = new Executor(small.Device, arena, null);
        var hidden = model.Forward(executor, StepBatch.Packed(arena, batch.Ids, batch.Lengths));
        var logits = executor.Linear(hidden, model.Head);
        double[] result = new double[logits.Count];
        for (int t = 0; t < logits.Rows; t++)
        {
            var row = new ReadOnlySpan<float>(logits.Data.Floats + ((long)t * logits.Columns), logits.Columns);
            double total = 0;
            for (int v = 0; v < row.Length; v++)
            {
                total += Math.Exp(row[v]);
            }

            for (int v = 0; v < row.Length; v++)
            {
                result[(t * row.Length) + v] = Math.Exp(row[v]) / total;
            }
        }

        return (result, new ReadOnlySpan<float>(hidden.Data.Floats, (int)hidden.Count).ToArray());
    }
}
