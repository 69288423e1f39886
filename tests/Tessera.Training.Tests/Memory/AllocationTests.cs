using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests.Memory;

/// <summary>What a step in steady state leaves for the garbage collector.</summary>
public sealed class AllocationTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly CpuDevice _device = new(2);

    [Theory]
    [InlineData(RecomputeLevel.None, false)]
    [InlineData(RecomputeLevel.None, true)]
    [InlineData(RecomputeLevel.Selective, false)]
    [InlineData(RecomputeLevel.Full, true)]
    public void Forward_backward_and_update_allocate_nothing(RecomputeLevel level, bool distils)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var teacher = distils ? SmallModel.Create(SmallModel.Configuration(), seed: 3) : null;
        var weights = distils ? ObjectiveWeights.Distillation : ObjectiveWeights.LanguageModelling;
        using var objective = new Objective(_device, model, weights, teacher, null, level);
        using var optimizer = new Optimizer(_device, model.Parameters);
        var settings = TrainerTests.Settings(1);
        PackedBatch[] batches = [.. ((int[])[200, 150, 64]).SelectMany(tokens => TrainingMemory.Batches(tokens, 31))];
        Steps();
        Steps();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Steps();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        // Full recomputation remembers the step of each forward: one small object.
        Assert.InRange(allocated, 0, level == RecomputeLevel.Full ? batches.Length * 40 : 0);

        void Steps()
        {
            foreach (var batch in batches)
            {
                optimizer.ClearGradients();
                objective.Accumulate(batch, batch.WeightSum);
                optimizer.Update(settings, 1e-3);
            }
        }
    }

    [Fact]
    public void A_trainers_step_allocates_its_batches_alone()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var settings = TrainerTests.Settings(30) with { BatchTokens = 640, MaxLength = 64, Accumulation = 2 };
        using var trainer = new Trainer(
            _device, model, settings, ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 64, 64, 64, 64, 64));
        trainer.Step();
        trainer.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        trainer.Step();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        // Ids, targets and weights of two batches of 640 tokens; lengths and a list of ten documents.
        Assert.InRange(allocated, 2 * 640 * 12, (2 * 640 * 12) + 2048);
    }

    public void Dispose() => _device.Dispose();
}
