using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Scoring;
using Tessera.Tensors;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>KL and losses by position against the formulas in double precision.</summary>
public sealed class PositionTableTests
{
    [Fact]
    public void Ranges_hold_the_means_over_their_positions_and_the_last_row_all()
    {
        using var parent = new SmallParent();
        using var child = SmallParent.Of([.. parent.Configuration.Layers]);
        PackedBatch[] batches = [Batch(1, 90, 30), Batch(2, 70)];
        using var steps = new CalibrationSteps(parent.Device, batches);
        var memory = StreamingMemory.Of(parent.Device, new ResidentParts(parent.Model), steps, null);
        var table = new ModelScorer(parent.Device, new ResidentParts(parent.Model), steps, memory).Positions(new ResidentParts(child.Model), 100);
        Assert.Equal([(0, 64), (64, 100), (0, 100)], table.Rows.Select(row => (row.From, row.To)));

        var expected = new List<(int Position, double Kl, double Parent, double Child)>();
        foreach (var batch in batches)
        {
            double[][] of = LogProbabilities(parent, parent.Model, batch), to = LogProbabilities(parent, child.Model, batch);
            int start = 0;
            foreach (int length in batch.Lengths)
            {
                for (int i = 0; i < length - 1; i++)
                {
                    var (p, q, target) = (of[start + i], to[start + i], batch.Targets[start + i]);
                    expected.Add((i, p.Zip(q, (a, b) => Math.Exp(a) * (a - b)).Sum(), -p[target], -q[target]));
                }

                start += length;
            }
        }

        foreach (var row in table.Rows)
        {
            var inside = expected.Where(token => token.Position >= row.From && token.Position < row.To).ToList();
            Assert.Equal(inside.Count, row.Tokens);
            Assert.Equal(inside.Average(token => token.Kl), row.Divergence.Mean, 5e-6 * inside.Average(token => token.Kl));
            Assert.Equal(inside.Average(token => token.Parent), row.ParentLoss.Mean, 1e-5);
            Assert.Equal(inside.Average(token => token.Child), row.ChildLoss.Mean, 1e-5);
        }

        Assert.Equal([3L, 2, 3], table.Rows.Select(row => (long)row.Divergence.Documents));
        Assert.True(table.Rows[^1].Divergence.StandardError > 0);
    }

    private static PackedBatch Batch(int seed, params int[] lengths)
    {
        var random = new CounterRandom((ulong)seed, 3);
        var documents = lengths.Select(length => TokenDocument.Uniform([.. Enumerable.Range(0, length).Select(_ => random.Next(SmallParent.Vocabulary))])).ToList();
        return BatchPacker.Pack(documents, 100, lengths.Sum());
    }

    private static unsafe double[][] LogProbabilities(SmallParent small, Models.Decoder model, PackedBatch batch)
    {
        using var arena = small.Device.CreateArena("test");
        var step = StepBatch.Packed(arena, batch.Ids, batch.Lengths);
        var hidden = model.Forward(new Executor(small.Device, arena, null), step, null, null);
        float* states = (float*)hidden.Address, head = model.Head.Floats;
        return [.. Enumerable.Range(0, hidden.Rows).Select(row =>
        {
            double[] logits = [.. Enumerable.Range(0, SmallParent.Vocabulary).Select(v => Dot(states, row, head, v, hidden.Columns))];
            double log = logits.Max() + Math.Log(logits.Sum(z => Math.Exp(z - logits.Max())));
            return logits.Select(z => z - log).ToArray();
        })];
    }

    private static unsafe double Dot(float* states, int row, float* head, int token, int width)
    {
        double sum = 0;
        for (int i = 0; i < width; i++)
        {
            sum += (double)states[((long)row * width) + i] * head[((long)token * width) + i];
        }

        return sum;
    }
}
