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

public sealed class MemoryPlanTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly CpuDevice _device = new(2);

    public static TheoryData<RecomputeLevel, bool, int, int> Shapes()
    {
        var data = new TheoryData<RecomputeLevel, bool, int, int>();
        foreach (var level in Enum.GetValues<RecomputeLevel>())
        {
            data.Add(level, false, 24, 16);
            data.Add(level, true, 24, 24);
            data.Add(level, false, 640, 64);
            data.Add(level, true, 640, 2);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_plan_is_what_the_worst_batches_take_to_the_byte(RecomputeLevel level, bool distils, int tokens, int longest)
    {
        var weights = distils ? new ObjectiveWeights(0.5, 1, 1) : ObjectiveWeights.LanguageModelling;
        using var model = SmallModel.Create(SmallModel.Configuration(tied: true));
        using var teacher = distils ? SmallModel.Create(SmallModel.Configuration(), seed: 3) : null;
        var settings = TrainerTests.Settings(4) with { BatchTokens = tokens, MaxLength = longest, Recompute = level, Accumulation = 2 };
        var plan = TrainingMemory.Plan(_device, model, settings, weights, teacher);
        using var fresh = new CpuDevice(2);
        using var objective = new Objective(fresh, model, weights, teacher, null, level);
        plan.Reserve(objective.Arenas);
        using var optimizer = new Optimizer(fresh, model.Parameters);
        foreach (var batch in TrainingMemory.Batches(tokens, longest))
        {
            objective.Accumulate(batch, batch.WeightSum);
            objective.Accumulate(batch, batch.WeightSum);
            optimizer.Update(settings, 1e-3);
        }

        Arena[] arenas = [.. objective.Arenas, optimizer.Arena, fresh.Scratch];
        Assert.All(arenas[..^1], arena => Assert.Equal((arena.Name, plan[arena.Name]), (arena.Name, arena.HighWaterBytes)));

        // Scratch of products is bounded over all smaller batches: a few MiB more than these batches need.
        Assert.InRange(fresh.Scratch.HighWaterBytes, plan["kernel scratch"] / 8, plan["kernel scratch"]);
        Assert.All(objective.Arenas.Append(optimizer.Arena), arena => Assert.Equal((arena.Name, plan[arena.Name]), (arena.Name, arena.CapacityBytes)));
        Assert.Equal(plan.Bytes - plan["kernel scratch"] + fresh.Scratch.HighWaterBytes, plan.Used(arenas).Bytes);
        Assert.Equal(model.Parameters.Sum(parameter => Arena.PaddedBytes(parameter.Bytes)), plan["weights"]);
        Assert.Equal(3 * plan["weights"], plan["gradients and moments"]);
        Assert.Equal(distils, plan["teacher activations"] > 0 && plan["teacher weights"] > 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_packed_batch_within_the_settings_takes_more_than_planned(ulong seed)
    {
        var random = new CounterRandom(seed);
        for (int round = 0; round < 12; round++)
        {
            int tokens = random.Next(16, 1300), longest = random.Next(2, Math.Min(tokens, 128));
            var level = (RecomputeLevel)random.Next(3);
            bool distils = random.Next(2) == 1;
            var weights = distils ? ObjectiveWeights.Distillation : ObjectiveWeights.LanguageModelling;
            using var model = SmallModel.Create(SmallModel.Configuration(Layers(ref random), vocabulary: random.Next(5, 300)));
            using var teacher = distils ? SmallModel.Create(model.Configuration, seed: 3) : null;
            using var device = new CpuDevice(random.Next(1, 3));
            using var trainer = new Trainer(
                device, model,
                TrainerTests.Settings(3) with { BatchTokens = tokens, MaxLength = longest, Recompute = level, Accumulation = random.Next(1, 2) },
                weights,
                ListSource.OfLengths(model.Configuration.VocabularySize, [.. Enumerable.Range(0, 50).Select(_ => random.Next(2, longest))]),
                teacher);
            for (int step = 0; step < 3; step++)
            {
                trainer.Step();
            }

            Assert.Empty(trainer.Memory.Exceeded(trainer.Arenas));
            Assert.InRange(trainer.Memory.Used(trainer.Arenas).Bytes, trainer.Memory.Bytes / 4, trainer.Memory.Bytes);
        }
    }

    [Fact]
    public void Planning_changes_no_weight_and_writes_hardly_any_page()
    {
        var shape = SmallModel.Configuration(
            [.. Enumerable.Range(0, 24).Select(_ => new LayerConfiguration(new AttentionConfiguration(4), new SwiGluConfiguration(4096)))],
            hidden: 1024, vocabulary: 32000);
        long resident = Environment.WorkingSet;
        using (var planning = _device.ForPlanning())
        {
            // The model itself has no memory either: 24 layers of 16 million weights.
            using var model = Decoder.Allocate(shape, DType.F32, planning);
            var plan = TrainingMemory.Plan(
                _device, model, TrainerTests.Settings(1) with { BatchTokens = 8192, MaxLength = 512 }, ObjectiveWeights.LanguageModelling,
                weightsAreHeld: false);
            Assert.InRange(plan.Bytes, 20L << 30, 60L << 30);
            Assert.Equal(plan.Bytes, plan.BytesToTake);
            Assert.All(model.Parameters, parameter => Assert.False(parameter.IsTrainable));
            Assert.InRange(Environment.WorkingSet - resident, long.MinValue, 400L << 20);
        }

        using var small = SmallModel.Create(SmallModel.Configuration());
        byte[][] before = SmallModel.AllBytes(small);
        TrainingMemory.Plan(_device, small, TrainerTests.Settings(1), ObjectiveWeights.LanguageModelling);
        Assert.Equal(before, SmallModel.AllBytes(small));
    }

    [Fact]
    public void A_training_that_does_not_fit_is_refused_with_the_settings_to_change()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        byte[][] before = SmallModel.AllBytes(model);
        var settings = TrainerTests.Settings(1) with { BatchTokens = 4000, MaxLength = 64 };
        var error = Assert.Throws<ArgumentException>(() => new Trainer(
            _device, model, settings with { MemoryLimit = 1 << 20 }, ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9)));
        Assert.Matches(
            @"^memory: training needs [\d.]+ MiB and the limit is 1 MiB; activations take [\d.]+ MiB, .*: lower --batch-tokens, which is 4000, or give --recompute full, which needs [\d.]+ MiB in all$",
            error.Message);
        Assert.All(model.Parameters, parameter => Assert.False(parameter.IsTrainable));
        Assert.Equal(before, SmallModel.AllBytes(model));

        var plan = TrainingMemory.Plan(_device, model, settings, ObjectiveWeights.LanguageModelling);
        MemoryLimit.Check(plan, settings with { MemoryLimit = plan.Bytes }, _ => plan, plan.BytesToTake);
        MemoryLimit.Check(plan, settings, _ => plan, null);
        Assert.Throws<ArgumentException>(() => MemoryLimit.Check(plan, settings with { MemoryLimit = plan.Bytes - 1 }, _ => plan, null));
        var full = settings with { Recompute = RecomputeLevel.Full };
        string message = Assert.Throws<ArgumentException>(() => MemoryLimit.Check(plan, full, _ => plan, plan.BytesToTake - 1)).Message;
        Assert.Contains("are free", message, StringComparison.Ordinal);
        Assert.EndsWith(": lower --batch-tokens, which is 4000", message, StringComparison.Ordinal);
        var heavy = new MemoryPlan([new MemoryPart("gradients and moments", 100, false), new MemoryPart("weights", 30, true)]);
        message = Assert.Throws<ArgumentException>(() => MemoryLimit.Check(heavy, settings, _ => plan, 99)).Message;
        Assert.Equal("memory: training needs 100 B more, of 130 B in all and 99 B are free; gradients and moments take 100 B: choose a smaller model", message);
    }

    public void Dispose() => _device.Dispose();

    private static ImmutableArray<LayerConfiguration> Layers(ref CounterRandom random)
    {
        var layers = ImmutableArray.CreateBuilder<LayerConfiguration>();
        for (int count = random.Next(1, 5); count > 0; count--)
        {
            layers.Add(SmallModel.EveryKind[random.Next(SmallModel.EveryKind.Length)]);
        }

        return layers.ToImmutable();
    }
}
