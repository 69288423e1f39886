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
            Assert.Equal([new Estimate(0, 0, 8)], scorer.Score(layer, [_ => own]));
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
        using var scorer = new ReplaceOneScorer(small.Device, states.States, StreamingMemory.Least);
        var replacement = new DecoderLayer(null, small.Model.Layers[layer].FeedForward);
        var estimate = scorer.Score(layer, [_ => replacement])[0];

        var layers = small.Model.Layers.ToArray();
        layers[layer] = replacement;
        var shapes = small.Configuration.Layers.ToArray();
        shapes[layer] = shapes[layer] with { Mixer = new NoMixerConfiguration() };
        using var child = small.Model.WithLayers(small.Configuration with { Layers = [.. shapes] }, layers);
        double sum = 0, weight = 0;
        foreach (var batch in states.Steps.Batches)
        {
            double[] p = Probabilities(small, small.Model, batch), q = Probabilities(small, child, batch);
            for (int t = 0; t < batch.Ids.Length; t++)
            {
                if (batch.Weights[t] > 0)
                {
                    weight++;
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
    }

    private static double[] Probabilities(SmallParent small, Decoder model, Training.Data.PackedBatch batch)
    {
        using var arena = new Devices.Arena("test");
        var executor = new Executor(small.Device, arena, null);
        var logits = executor.Linear(model.Forward(executor, StepBatch.Packed(arena, batch.Ids, batch.Lengths)), model.Head);
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

        return result;
    }
}
