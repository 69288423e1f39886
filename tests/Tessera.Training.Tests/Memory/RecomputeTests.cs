using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests.Memory;

public sealed unsafe class RecomputeTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly int[] Lengths = [9, 14, 5, 11, 7, 2, 16];
    private static readonly ImmutableArray<LayerConfiguration> AllParts =
    [
        new(new AttentionConfiguration(2) { HasQkvBias = true, HasOutputBias = true, Window = 5 }, new SwiGluConfiguration(24) { HasBias = true }),
        new(new AttentionConfiguration(4) { HasHeadNorms = true }, new SwiGluConfiguration(9)),
        new(new AttentionConfiguration(1) { HasQkvBias = true, HasHeadNorms = true, Window = 3 }, new LinearFeedForwardConfiguration()),
    ];

    private readonly CpuDevice _device = new(2);

    public static TheoryData<RecomputeLevel, bool, double, double, double> Cases()
    {
        var data = new TheoryData<RecomputeLevel, bool, double, double, double>();
        foreach (var level in (RecomputeLevel[])[RecomputeLevel.Selective, RecomputeLevel.Full])
        {
            data.Add(level, false, 1, 0, 0);
            data.Add(level, true, 1, 0, 0);
            data.Add(level, false, 0, 1, 1);
            data.Add(level, true, 0.7, 1.3, 0.9);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Training_on_packed_documents_ends_with_the_same_bits(
        RecomputeLevel level, bool tied, double crossEntropy, double divergence, double cosine)
    {
        var weights = new ObjectiveWeights(crossEntropy, divergence, cosine);
        var (kept, keptBits) = Train(RecomputeLevel.None, weights, tied);
        var (recomputed, recomputedBits) = Train(level, weights, tied);
        Assert.Equal(kept, recomputed);
        Assert.Equal(keptBits, recomputedBits);
        Assert.Contains(kept, report => report.Loss.Total(weights) != kept[0].Loss.Total(weights));
    }

    [Theory]
    [InlineData(RecomputeLevel.Selective)]
    [InlineData(RecomputeLevel.Full)]
    public void Biases_head_norms_and_windows_keep_their_bits_as_well(RecomputeLevel level)
    {
        var weights = new ObjectiveWeights(1, 0, 0);
        var (kept, keptBits) = Train(RecomputeLevel.None, weights, false, AllParts);
        var (recomputed, recomputedBits) = Train(level, weights, false, AllParts);
        Assert.Equal(kept, recomputed);
        Assert.Equal(keptBits, recomputedBits);
    }

    [Theory]
    [InlineData(RecomputeLevel.Selective)]
    [InlineData(RecomputeLevel.Full)]
    public void With_a_frozen_half_the_gradients_of_the_rest_are_the_same(RecomputeLevel level)
    {
        Assert.Equal(PartialGradients(RecomputeLevel.None), PartialGradients(level));
    }

    [Fact]
    public void Activations_shrink_by_what_is_not_kept()
    {
        var shape = SmallModel.Configuration(
            [.. Enumerable.Range(0, 6).Select(_ => new LayerConfiguration(
                new AttentionConfiguration(2), new SwiGluConfiguration(48)))], hidden: 64);
        using var model = SmallModel.Create(shape);
        var settings = TrainerTests.Settings(1) with { BatchTokens = 512, MaxLength = 64 };
        long none = Activations(RecomputeLevel.None), selective = Activations(RecomputeLevel.Selective), full = Activations(RecomputeLevel.Full);

        // Bytes a token: d = 64, H·E = 64, 2·K·E = 64, width 48; a layer keeps two sums, two norms, qkv, o, two branches, gate and up, h.
        const long Tokens = 512, Layers = 6, F = sizeof(float);
        long dropped = Layers * Tokens * F * (64 + 64 + 48);
        Assert.InRange(none - selective, dropped * 0.99, (dropped + (Tokens * F * 64)) * 1.01);
        long layer = Tokens * F * ((64 * 6) + 128 + 64 + (2 * 48) + 48);
        Assert.InRange(none - full, (Layers - 1.4) * layer * 0.7, Layers * layer);
        Assert.True(full < selective && selective < none, $"{full} {selective} {none}");

        long Activations(RecomputeLevel level) =>
            TrainingMemory.Plan(_device, model, settings with { Recompute = level }, ObjectiveWeights.LanguageModelling)["activations"];
    }

    public void Dispose() => _device.Dispose();

    private (List<StepReport> Reports, byte[][] Bits) Train(RecomputeLevel level, ObjectiveWeights weights, bool tied,
        ImmutableArray<LayerConfiguration>? layers = null)
    {
        using var model = SmallModel.Create(SmallModel.Configuration(layers, tied));
        using var teacher = SmallModel.Create(SmallModel.Configuration(), seed: 77);
        using var trainer = new Trainer(
            _device, model, TrainerTests.Settings(4) with { BatchTokens = 40, Accumulation = 2, Recompute = level }, weights,
            ListSource.OfLengths(Vocabulary, Lengths), teacher, weights.Cosine > 0 ? [0, 1, -1, 3, 6, 5, 2] : null);
        var reports = new List<StepReport>();
        for (int step = 0; step < 4; step++)
        {
            reports.Add(trainer.Step());
        }

        Assert.Empty(trainer.Memory.Exceeded(trainer.Arenas));
        return (reports, SmallModel.AllBytes(model));
    }

    /// <summary>Gradients where only the upper layers' feed-forwards are trained and the stream below asks for none.</summary>
    private List<float[]> PartialGradients(RecomputeLevel level)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var objective = new Objective(_device, model, ObjectiveWeights.LanguageModelling, recompute: level);
        var trained = model.Layers.Skip(2).SelectMany(layer => layer.FeedForward?.Parameters ?? []).ToList();
        using var optimizer = new Optimizer(_device, trained);
        var documents = Lengths.Select((length, i) => TokenDocument.Uniform(SmallModel.Ids(length, Vocabulary, (ulong)i + 1))).ToList();
        var batch = BatchPacker.Pack(documents, 100, Lengths.Sum());
        objective.Accumulate(batch, batch.WeightSum);
        var gradients = trained.Select(parameter => new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray()).ToList();
        Assert.All(gradients, gradient => Assert.Contains(gradient, value => value != 0));
        return gradients;
    }
}
