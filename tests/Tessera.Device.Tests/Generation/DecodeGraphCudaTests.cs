using Tessera.Device.Tests.Models;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Engine;
using Tessera.Inference.Tests;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Tests;

namespace Tessera.Device.Tests.Generation;

/// <summary>Decode steps that are launched as one graph have the bits of the same steps kernel by kernel.</summary>
[Trait("Category", Card.Category)]
public sealed class DecodeGraphCudaTests
{
    /// <summary>Layers of every kind, with windows and biases: few shapes, so few kernels to compile.</summary>
    private const string Family = "decilm-windows";

    [Theory]
    [InlineData(DType.F32, false)]
    [InlineData(DType.BF16, false)]
    [InlineData(DType.BF16, true)]
    [InlineData(DType.Int8, false)]
    [InlineData(DType.FP8, false)]
    [InlineData(DType.FP8, true)]
    public void Batches_that_change_give_the_bits_of_eager_steps(DType type, bool invariant)
    {
        using var card = Open(type);
        using var model = Load(card, type);
        var settings = new EngineSettings
        {
            CacheType = type == DType.F32 ? DType.F32 : DType.BF16,
            Invariant = invariant,
            MaxRunning = 40,
            StepTokens = 300,
            ChunkTokens = 64,
            Pages = 70,
        };
        var (eager, before) = EngineScript.Run(card, model, settings with { Eager = true }, 5, 48);
        var (recorded, after) = EngineScript.Run(card, model, settings, 5, 48);
        EngineScript.AssertSame(eager, recorded);
        Assert.Equal(0, before.LaunchedSteps);
        Assert.Equal(before with { LaunchedSteps = after.LaunchedSteps }, after);
        Assert.InRange(after.LaunchedSteps, after.Steps / 3, after.Steps);

        // And again: the same graphs would be captured.
        var (again, _) = EngineScript.Run(card, model, settings, 5, 48);
        EngineScript.AssertSame(recorded, again);
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Every_logit_of_every_step_is_that_of_the_eager_step_while_pages_and_tables_grow(DType type)
    {
        const int steps = 40;
        using var card = Open(type);
        using var model = Load(card, type);
        float[][][] all = [.. ((bool[])[true, false]).Select(eager =>
        {
            using var cache = KeyValueCache.Shared(model.Configuration, 20, 600, 200, type, card.Memory);
            using var arena = card.CreateArena("step");
            using var runner = new StepRunner(card, arena, model, cache, new EngineSettings { Eager = eager });
            int[] lengths = [.. Enumerable.Range(0, 20).Select(Start)];
            var logits = new List<float[]>();
            Prefill(cache, runner, lengths);
            for (int t = 0; t < steps; t++)
            {
                // 20 sequences, then 3, then 20 again.
                int running = t is >= 15 and < 28 ? 3 : 20;
                runner.Begin();
                for (int s = 0; s < running; s++)
                {
                    Grow(cache, s, lengths[s] + 1);
                    runner.Add(s, lengths[s]++, [(t + s) % FamilyModels.Vocabulary]);
                    runner.Draw(new SamplingRow((ulong)s, s % 3 * 0.5f, 1, s % 2 * 7, lengths[s]));
                }

                runner.Run();
                int[] tokens = runner.Tokens.ToArray();
                logits.Add(
                    [.. Enumerable.Range(0, running).SelectMany(draw => Logits(runner, draw)), .. runner.LogProbs, .. tokens.Select(token => (float)token)]);
            }

            Assert.Equal(eager, runner.Launches == 0);
            Assert.True(eager || (runner.Launches > steps - 8 && runner.Recordings <= 6), $"{runner.Launches} launches of {runner.Recordings} graphs");
            return logits.ToArray();
        })];
        for (int t = 0; t < steps; t++)
        {
            Assert.False(all[0][t].AsSpan().ContainsAny(float.NaN, float.PositiveInfinity), $"step {t}");
            Assert.Equal(all[0][t], all[1][t]);
        }
    }

    [Fact]
    public void Weights_that_were_written_are_seen_and_a_table_that_moved_is_recorded_anew()
    {
        using var card = Open(DType.F32);
        using var model = Load(card, DType.F32);
        using var cache = new KeyValueCache(model.Configuration, 1, 100, DType.F32, card.Memory);
        using var arena = card.CreateArena("step");
        using var runner = new StepRunner(card, arena, model, cache, new EngineSettings());
        float[] before = Drawn();
        Assert.Equal(before, Drawn());
        Assert.Equal((1, 7), (runner.Recordings, runner.Launches));
        RandomFill.Constant(card, model.FinalNorm.Elements, model.FinalNorm.Count, -2f);
        float[] changed = Drawn();
        Assert.NotEqual(before, changed);
        model.Rope.EnsurePositions(model.Rope.Positions + 1);
        Assert.Equal(changed, Drawn());
        Assert.Equal((2, 14), (runner.Recordings, runner.Launches));

        float[] Drawn()
        {
            cache.Truncate(0, 0);
            var logProbs = new List<float>();
            for (int t = 0; t < 4; t++)
            {
                runner.Begin();
                runner.Add(0, t, [7 + t]);
                runner.Draw(default);
                runner.Run();
                logProbs.Add(runner.LogProbs[0]);
            }

            return [.. logProbs];
        }
    }

    [Fact]
    public void An_optimizers_step_is_recorded_once_and_follows_the_numbers_that_are_set()
    {
        const int count = 10_000;
        using var card = Card.Open();
        float[][] results = [.. ((bool[])[false, true]).Select(records =>
        {
            using var parameter = DeviceBuffer.Random(card, DType.F32, count, 1);
            using var gradient = DeviceBuffer.Random(card, DType.F32, count, 2);
            using var first = DeviceBuffer.From(card, DType.F32, new float[count]);
            using var second = DeviceBuffer.From(card, DType.F32, new float[count]);
            using var arena = card.CreateArena("table");
            using var recorder = new WorkRecorder<int, int>(card, 1, records);
            var table = new OptimizerTable(card, arena, 1);
            for (int step = 1; step <= 5; step++)
            {
                table.Describe([new AdamWTensor
                {
                    Parameter = parameter.Elements,
                    Gradient = gradient.Elements,
                    FirstMoment = first.Elements,
                    SecondMoment = second.Elements,
                    Count = count,
                    Decays = true,
                }]);
                table.Set(new AdamWSettings { LearningRate = 0.01 / step, Step = step, WeightDecay = 0.1 });
                recorder.Run(0, () =>
                {
                    AdamW.Step(card, table);
                    return 0;
                });
            }

            Assert.Equal(records ? 4 : 0, recorder.Launches);
            return parameter.Read();
        })];
        Assert.Equal(results[0], results[1]);
        using var fresh = DeviceBuffer.Random(card, DType.F32, count, 1);
        Assert.NotEqual(fresh.Read(), results[0]);
    }

    internal static CudaDevice Open(DType type) => Card.Open(type == DType.F32 ? DType.F32 : DType.BF16);

    internal static Decoder Load(CudaDevice card, DType type)
    {
        using var source = SmallModel.Create(FamilyModels.Configurations[Family] with { MaxPositions = 600 }, type: type.HasScales() ? DType.F32 : type);
        return CardModel.Copy(card, source, type);
    }

    internal static unsafe float[] Logits(StepRunner runner, int draw)
    {
        float[] values = new float[FamilyModels.Vocabulary];
        runner.ReadLogits(draw, row => new Span<float>((void*)row, values.Length).CopyTo(values));
        return values;
    }

    /// <summary>Lengths that come to the end of a page, of 256 and of 512 positions while the test runs.</summary>
    private static int Start(int sequence) => (sequence % 5) switch { 0 => 490, 1 => 250, 2 => 61, 3 => 3, _ => 120 };

    private static void Prefill(KeyValueCache cache, StepRunner runner, int[] lengths)
    {
        for (int s = 0; s < lengths.Length; s++)
        {
            Grow(cache, s, lengths[s]);
            runner.Begin();
            runner.Add(s, 0, SmallModel.Ids(lengths[s], FamilyModels.Vocabulary, (ulong)s));
            runner.Run();
        }
    }

    /// <summary>Gives a sequence its pages as it needs them, so that those of all sequences lie among each other.</summary>
    private static void Grow(KeyValueCache cache, int slot, int positions)
    {
        int held = KeyValueCache.PagesOf(cache.Length(slot));
        for (int page = held; page < KeyValueCache.PagesOf(positions); page++)
        {
            cache.Assign(slot, (page * cache.Sequences) + slot);
        }
    }
}
