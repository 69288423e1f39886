using Tessera.Alignment.Policy;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Tensors;

namespace Tessera.Alignment.Tests;

public sealed class GrpoMemoryTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    [Theory]
    [InlineData(64)]
    [InlineData(700)]
    public void Updates_have_the_same_bits_under_every_level_and_stay_within_the_plan(int batchTokens)
    {
        var (expected, kept) = Learn(RecomputeLevel.None, batchTokens);
        long previous = kept;
        foreach (var level in (RecomputeLevel[])[RecomputeLevel.Selective, RecomputeLevel.Full])
        {
            var (bits, activations) = Learn(level, batchTokens);
            Assert.Equal(expected, bits);
            Assert.InRange(activations, 1, previous - 1);
            previous = activations;
        }
    }

    [Fact]
    public void Updates_that_do_not_fit_are_refused()
    {
        using var policy = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        var settings = TestRollouts.Settings();
        settings = settings with { Optimisation = settings.Optimisation with { MemoryLimit = 100_000, BatchTokens = 4000 } };
        var error = Assert.Throws<ArgumentException>(() => new GrpoTrainer(_device, policy, settings));
        Assert.Contains("--batch-tokens, which is 4000", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(policy.Parameters, parameter => parameter.IsTrainable);
    }

    public void Dispose() => _device.Dispose();

    private (byte[][] Bits, long Activations) Learn(RecomputeLevel level, int batchTokens)
    {
        using var policy = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var reference = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary), 5);
        var settings = TestRollouts.Settings(updates: 2, rate: 1e-2);
        settings = settings with
        {
            Policy = settings.Policy with { KlWeight = 0.1f },
            Optimisation = settings.Optimisation with { BatchTokens = batchTokens, MaxLength = 18, Recompute = level },
        };
        using var device = new CpuDevice(2);
        using var trainer = new GrpoTrainer(device, policy, settings, reference);
        for (ulong step = 1; step <= 3; step++)
        {
            trainer.Learn(TestRollouts.Random(40, seed: step));
        }

        Assert.Empty(trainer.Memory.Exceeded(trainer.Arenas));
        Assert.InRange(trainer.Memory.Used(trainer.Arenas).Bytes, trainer.Memory.Bytes / 2, trainer.Memory.Bytes);
        Assert.Equal(trainer.Memory["weights"], trainer.Memory["reference weights"]);
        return (SmallModel.AllBytes(policy), trainer.Memory["activations"]);
    }
}
