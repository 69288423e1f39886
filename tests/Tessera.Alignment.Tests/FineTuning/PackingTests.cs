using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.TestSupport;
using Tessera.Training;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Alignment.Tests.FineTuning;

/// <summary>A row that holds several conversations trains exactly as the conversations alone do.</summary>
public sealed class PackingTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly CpuDevice _device = new(2);
    private readonly Decoder _model = SmallModel.Create(SmallModel.Configuration());

    [Fact]
    public unsafe void Loss_and_gradient_of_packed_conversations_are_those_of_each_alone()
    {
        TokenDocument[] documents = [.. Enumerable.Range(0, 6).Select(Conversation)];
        using var optimizer = new Optimizer(_device, _model.Parameters);
        using var objective = new Objective(_device, _model, ObjectiveWeights.LanguageModelling);
        int tokens = documents.Sum(document => document.Ids.Length);
        var packed = BatchPacker.Pack(documents, 64, tokens);
        double weight = packed.WeightSum;
        var loss = objective.Accumulate(packed, weight);
        float[][] together = Gradients();

        optimizer.ClearGradients();
        var alone = default(LossValues);
        foreach (var document in documents)
        {
            alone += objective.Accumulate(BatchPacker.Pack([document], 64, document.Ids.Length), weight);
        }

        Assert.Equal(alone.CrossEntropy, loss.CrossEntropy, 6);
        foreach (var (expected, actual) in Gradients().Zip(together))
        {
            Errors.AssertClose(actual, [.. expected.Select(value => (double)value)], 1e-5, "gradient");
        }

        float[][] Gradients() => [.. _model.Parameters.Select(
            parameter => new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray())];
    }

    [Fact]
    public void A_conversation_in_a_packed_row_has_the_logits_it_has_alone()
    {
        int[][] texts = [.. Enumerable.Range(0, 5).Select(i => Conversation(i).Ids)];
        float[] packed = SmallModel.Logits(_device, _model, texts.SelectMany(ids => ids).ToArray(), [.. texts.Select(ids => ids.Length)]);
        int row = 0;
        foreach (int[] ids in texts)
        {
            float[] alone = SmallModel.InvariantLogits(_device, _model, ids);
            Assert.Equal(alone, packed.AsSpan(row * Vocabulary, alone.Length).ToArray());
            row += ids.Length;
        }
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static TokenDocument Conversation(int index)
    {
        int[] ids = SmallModel.Ids(7 + (5 * index), Vocabulary, (ulong)index);
        return new TokenDocument(ids, [.. ids.Select((_, i) => i > 3 && (i + index) % 5 != 0 ? 1f : 0f)]);
    }
}
