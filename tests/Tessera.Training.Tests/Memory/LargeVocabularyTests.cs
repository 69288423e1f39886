using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests.Memory;

/// <summary>A vocabulary of 128 thousand: the logits of a batch would be larger than everything else together.</summary>
public sealed class LargeVocabularyTests : IDisposable
{
    private const int Vocabulary = 128_256;
    private readonly CpuDevice _device = new(2);

    [Fact]
    public void No_purpose_takes_the_room_of_a_batchs_logits_forward_or_backward()
    {
        using var student = SmallModel.Create(SmallModel.Configuration([SmallModel.EveryKind[0]], vocabulary: Vocabulary));
        using var teacher = SmallModel.Create(SmallModel.Configuration([SmallModel.EveryKind[0]], vocabulary: Vocabulary), seed: 3);
        var weights = new ObjectiveWeights(0.5, 1, 1, 2f);
        MemoryPlan Plan(int tokens) => TrainingMemory.Plan(
            _device, student, TrainerTests.Settings(1) with { BatchTokens = tokens, MaxLength = 64 }, weights, teacher);
        var (small, large) = (Plan(2048), Plan(8192));

        // Logits of teacher and student in chunks: their room is a budget and does not grow with the batch.
        Assert.Equal(small["kernel scratch"], large["kernel scratch"]);
        Assert.InRange(large["kernel scratch"], LinearCrossEntropy.LogitsBudgetBytes / 2, LinearCrossEntropy.LogitsBudgetBytes * 5 / 4);
        long logits = 8192L * Vocabulary * sizeof(float);
        Assert.True(large.Bytes < logits / 8, $"{large}, the logits of one model alone would be {logits} bytes");

        // A step takes what was planned: a batch of three chunks of tokens.
        using var fresh = new CpuDevice(2);
        using var objective = new Objective(fresh, student, weights, teacher);
        using var optimizer = new Optimizer(fresh, student.Parameters);
        var batch = BatchPacker.Pack([.. Enumerable.Range(0, 5).Select(Document)], 64, 320);
        objective.Accumulate(batch, batch.WeightSum);
        Assert.True(fresh.Scratch.HighWaterBytes <= small["kernel scratch"], $"{fresh.Scratch.HighWaterBytes} bytes");
        Assert.All(objective.Arenas, arena => Assert.True(arena.HighWaterBytes < small[arena.Name] + 1, arena.Name));
        Assert.True(fresh.Scratch.HighWaterBytes < 2L * 320 * Vocabulary * sizeof(float));
    }

    [Fact]
    public void Chunks_change_neither_losses_nor_gradients_beyond_rounding()
    {
        using var student = SmallModel.Create(SmallModel.Configuration([SmallModel.EveryKind[0]], vocabulary: Vocabulary));
        using var teacher = SmallModel.Create(SmallModel.Configuration([SmallModel.EveryKind[0]], vocabulary: Vocabulary), seed: 3);
        using var objective = new Objective(_device, student, ObjectiveWeights.Distillation, teacher);
        using var optimizer = new Optimizer(_device, student.Parameters);
        var documents = Enumerable.Range(0, 3).Select(Document).ToList();
        var whole = BatchPacker.Pack(documents, 64, 192);
        var loss = objective.Accumulate(whole, whole.WeightSum);
        float[] gradient = Gradient(student.Embedding);

        optimizer.ClearGradients();
        var sum = default(LossValues);
        foreach (var document in documents)
        {
            sum += objective.Accumulate(BatchPacker.Pack([document], 64, 64), whole.WeightSum);
        }

        Assert.Equal(loss.Divergence, sum.Divergence, 1e-6 * loss.Divergence);
        float[] parts = Gradient(student.Embedding);
        double error = Math.Sqrt(gradient.Zip(parts, (a, b) => ((double)a - b) * (a - b)).Sum()), norm = Math.Sqrt(gradient.Sum(g => (double)g * g));
        Assert.True(norm > 0 && error <= 1e-5 * norm, $"{error} of {norm}");
    }

    public void Dispose() => _device.Dispose();

    private static TokenDocument Document(int number) => TokenDocument.Uniform(SmallModel.Ids(64, Vocabulary, (ulong)number + 5));

    private static unsafe float[] Gradient(Parameter parameter) =>
        new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray();
}
