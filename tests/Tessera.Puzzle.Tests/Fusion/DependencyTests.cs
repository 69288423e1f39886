using System.Text.Json;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Fusion;
using static Tessera.Puzzle.Tests.Fusion.LayerFusionTests;

namespace Tessera.Puzzle.Tests.Fusion;

public unsafe class DependencyTests
{
    private static readonly LayerConfiguration Linear = new(new NoMixerConfiguration(), new LinearFeedForwardConfiguration());
    private static readonly LayerConfiguration Empty = new(new NoMixerConfiguration(), new NoFeedForwardConfiguration());

    [Fact]
    public void Dependencies_are_those_of_the_formula_in_double()
    {
        using var small = SmallParent.Of(Ffn(24), Linear, Empty, Ffn(48, true), Linear);
        var measured = DependencyMeasurement.Measure(small.Device, small.Model, [SmallParent.Batch(3), SmallParent.Batch(4)]);
        Assert.Equal((8L, 128L), (measured.Documents, measured.Tokens));
        double[,] expected = Direct(small, [3, 4]);
        double largest = 0;
        for (int i = 0; i < 5; i++)
        {
            for (int j = 0; j < 5; j++)
            {
                Assert.Equal(j > i && j != 2, measured.Values[i][j].HasValue);
                if (j > i && j != 2)
                {
                    Assert.Equal(expected[i, j], measured[i, j], 2e-6);
                    largest = Math.Max(largest, measured[i, j]);
                }
            }
        }

        Assert.True(largest > 1e-2, $"nothing depends on anything: {largest}");
        // An empty layer taken away: the same contribution, whose cosine with itself is 1 up to the last bit.
        Assert.Equal(0, measured[2, 3], 1e-15);
    }

    [Fact]
    public void Attention_is_part_of_a_contribution()
    {
        using var small = SmallParent.Of(Attention(48), Attention(24), Ffn(48), Attention(8));
        var measured = DependencyMeasurement.Measure(small.Device, small.Model, [SmallParent.Batch(3)]);
        double[][][] whole = [.. Enumerable.Range(0, 5).Select(depth => States(small, small.Model, depth))];
        for (int removed = 0; removed < 3; removed++)
        {
            using var without = small.Model.WithLayers(
                small.Configuration with { Layers = small.Configuration.Layers.SetItem(removed, Empty) },
                [.. small.Model.Layers.Select((layer, i) => i == removed ? new DecoderLayer(null, null) : layer)]);
            double[][][] states = [.. Enumerable.Range(0, 5).Select(depth => States(small, without, depth))];
            for (int layer = removed + 1; layer < 4; layer++)
            {
                double sum = Enumerable.Range(0, whole[0].Length).Sum(t => Distance(
                    Minus(whole[layer + 1][t], whole[layer][t]), Minus(states[layer + 1][t], states[layer][t])));
                // The reference takes differences of f32 streams, which loses some of their digits.
                Assert.Equal(sum / whole[0].Length, measured[removed, layer], 1e-5);
            }
        }
    }

    // Layer 0 writes what layer 1 does not read, and layer 2 reads what only layer 0 turns round.
    [Fact]
    public void Independent_layers_have_no_distance_and_a_layer_that_turns_another_round_has_two()
    {
        using var small = SmallParent.Of(Linear, Linear, Linear);
        foreach (var parameter in small.Model.Layers.SelectMany(layer => layer.Parameters).Append(small.Model.Embedding))
        {
            parameter.EditWhole(values => new Span<float>(values.Floats, values.Rows * values.Columns).Fill(values.Rows == 1 ? 1 : 0));
        }

        for (int id = 0; id < SmallParent.Vocabulary; id++)
        {
            small.Model.Embedding.Floats[(id * 32) + 0] = 1 + (id % 3);
            small.Model.Embedding.Floats[(id * 32) + 1] = 2;
        }

        Weight(small, 0)[(0 * 32) + 0] = -40;
        Weight(small, 1)[(5 * 32) + 1] = 3;
        Weight(small, 2)[(6 * 32) + 0] = 1;
        var measured = DependencyMeasurement.Measure(small.Device, small.Model, [SmallParent.Batch(1)]);
        Assert.Equal(0, measured[0, 1], 1e-7);
        Assert.Equal(2, measured[0, 2], 1e-7);
        Assert.Equal(0, measured[1, 2], 1e-7);
    }

    [Fact]
    public void Threads_and_batches_change_no_value_and_memory_does_not_grow_with_documents()
    {
        using var small = SmallParent.Of(Attention(48), Ffn(24), Ffn(48));
        var batches = Enumerable.Range(1, 3).Select(SmallParent.Batch).ToList();
        var measured = DependencyMeasurement.Measure(small.Device, small.Model, batches);
        using var three = new CpuDevice(3);
        Assert.Equal(Text(measured), Text(DependencyMeasurement.Measure(three, small.Model, batches)));
        int arenas = Arena.LiveArenas;
        DependencyMeasurement.Measure(small.Device, small.Model, batches);
        Assert.Equal(arenas, Arena.LiveArenas);
    }

    [Fact]
    public void A_matrix_survives_its_file_and_becomes_a_figure()
    {
        using var small = SmallParent.Of(Ffn(8), Empty, Ffn(8));
        var measured = DependencyMeasurement.Measure(small.Device, small.Model, [SmallParent.Batch(1)]);
        string json = Text(measured);
        Assert.Equal(json, Text(JsonSerializer.Deserialize(json, PuzzleJson.Default.DependencyMatrix)!));
        string figure = measured.ToFigure().ToSvg().ToString();
        Assert.Contains(measured[0, 2].ToString("0.000", System.Globalization.CultureInfo.InvariantCulture), figure, StringComparison.Ordinal);
        Assert.Contains("without 0", figure, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_documents_there_is_nothing_to_measure()
    {
        using var small = SmallParent.Of(Ffn(8), Ffn(8));
        Assert.Throws<ArgumentException>(() => DependencyMeasurement.Measure(small.Device, small.Model, []));
    }

    private static string Text(DependencyMatrix matrix) => JsonSerializer.Serialize(matrix, PuzzleJson.Default.DependencyMatrix);

    private static float* Weight(SmallParent small, int layer) => ((LinearBlock)small.Model.Layers[layer].FeedForward!).Weight.Floats;

    /// <summary>The formula token by token: no layer of these models looks at other tokens.</summary>
    private static double[,] Direct(SmallParent small, int[] seeds)
    {
        int layers = small.Model.Layers.Count;
        var sums = new double[layers, layers];
        int[] ids = [.. seeds.SelectMany(seed => SmallParent.Batch(seed).Ids)];
        double[] table = FusedSum.Values(small.Model.Embedding);
        foreach (int id in ids)
        {
            double[] x = table[(id * 32)..((id + 1) * 32)];
            double[][] whole = Contributions(small, x, -1);
            for (int i = 0; i < layers; i++)
            {
                double[][] without = Contributions(small, x, i);
                for (int j = i + 1; j < layers; j++)
                {
                    sums[i, j] += Distance(whole[j], without[j]) / ids.Length;
                }
            }
        }

        return sums;
    }

    private static double[][] Contributions(SmallParent small, double[] x, int removed)
    {
        double epsilon = small.Configuration.RmsNormEpsilon;
        var result = new double[small.Model.Layers.Count][];
        for (int layer = 0; layer < result.Length; layer++)
        {
            result[layer] = (layer == removed ? null : small.Model.Layers[layer].FeedForward) switch
            {
                SwiGluBlock block => FusedSum.SwiGlu(block, x, epsilon),
                LinearBlock block => FusedSum.Linear(block, x, epsilon),
                _ => new double[x.Length],
            };
            x = [.. x.Zip(result[layer], (a, b) => a + b)];
        }

        return result;
    }

    private static double Distance(double[] a, double[] b) =>
        1 - (a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x) * b.Sum(y => y * y)));

    private static double[] Minus(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x - y)];
}
