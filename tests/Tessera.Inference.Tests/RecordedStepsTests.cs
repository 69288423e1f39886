using Tessera.Devices;
using Tessera.Inference.Engine;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.TestSupport;

namespace Tessera.Inference.Tests;

/// <summary>Steps that a device records and launches give what kernels one by one give, on layers of every kind.</summary>
public sealed class RecordedStepsTests : IDisposable
{
    private const int Vocabulary = 41;
    private const int Requests = 8;
    private readonly Decoder _model = SmallModel.Create(SmallModel.Configuration() with { MaxPositions = 600 });

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void Recorded_steps_give_the_bits_of_eager_ones_however_batches_change(ulong seed, bool invariant)
    {
        using var processor = new CpuDevice(2);
        using var device = new GuardedDevice(2, records: true);
        var settings = new EngineSettings
        {
            Invariant = invariant,
            MaxRunning = 9,
            StepTokens = 60,
            ChunkTokens = 50,
            Pages = 12,
        };
        var (eager, before) = EngineScript.Run(device, _model, settings with { Eager = true }, seed, Requests);
        var (recorded, after) = EngineScript.Run(device, _model, settings, seed, Requests);
        EngineScript.AssertSame(eager, recorded);
        Assert.Equal(0, before.LaunchedSteps);
        Assert.Equal(before with { LaunchedSteps = after.LaunchedSteps }, after);
        Assert.InRange(after.LaunchedSteps, after.Steps / 2, after.Steps);
        if (invariant)
        {
            // Else a padded step may take the kernels of more tokens.
            var (plain, state) = EngineScript.Run(processor, _model, settings, seed, Requests);
            EngineScript.AssertSame(plain, recorded);
            Assert.Equal(0, state.LaunchedSteps);
        }
    }

    [Fact]
    public void A_long_sequence_goes_through_pages_lengths_and_growing_tables_of_angles()
    {
        using var processor = new CpuDevice(1);
        using var device = new GuardedDevice(1, records: true);
        var settings = new GenerationSettings { MaxNewTokens = 14, Temperature = 1, TopK = 9, Seed = 4 };
        var engine = new EngineSettings { Invariant = true, ChunkTokens = 512 };
        using var plain = new Generator(processor, _model, engine);
        using var recording = new Generator(device, _model, engine);
        int steps = 0;
        foreach (int length in (int[])[186, 250, 507])
        {
            // Up to the next page; to another extent, too; beyond the 512 positions that the table of angles began with, too.
            int[] prompt = SmallModel.Ids(length, Vocabulary);
            EngineScript.AssertSame([.. plain.Generate([prompt], settings)], [.. recording.Generate([prompt], settings)]);
            steps += 13;
        }

        // All but the first step at each of three extents, and at the last again after the table has moved.
        Assert.InRange(recording.State.LaunchedSteps, steps - 4, steps - 3);
    }

    [Fact]
    public void Weights_that_were_written_and_a_table_of_angles_that_moved_are_seen()
    {
        using var device = new GuardedDevice(1, records: true);
        using var model = SmallModel.Create(SmallModel.Configuration() with { MaxPositions = 200 });
        using var cache = new KeyValueCache(model.Configuration, 1, 100, DType.F32, device.Memory);
        using var arena = device.CreateArena("step");
        using var runner = new StepRunner(device, arena, model, cache, new EngineSettings());
        float[] before = Drawn(), again = Drawn();
        Assert.Equal(before, again);
        Assert.Equal((1, 7), (runner.Recordings, runner.Launches));
        model.FinalNorm.Write(0, 1, (_, view) =>
        {
            unsafe
            {
                view.Floats[3] *= -2;
            }
        });
        float[] changed = Drawn();
        Assert.NotEqual(before, changed);
        Assert.Equal((1, 11), (runner.Recordings, runner.Launches));

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
    public void Draws_behind_some_rows_come_in_their_order_and_logits_can_be_seen()
    {
        using var device = new GuardedDevice(2, records: true);
        using var cache = new KeyValueCache(_model.Configuration, 3, 100, DType.F32, device.Memory);
        using var arena = device.CreateArena("step");
        using var runner = new StepRunner(device, arena, _model, cache, new EngineSettings { Invariant = true });
        int[] ids = SmallModel.Ids(12, Vocabulary);
        float[] expected = SmallModel.InvariantLogits(new CpuDevice(1), _model, ids);
        runner.Begin();
        runner.Add(0, 0, ids.AsSpan(0, 5));
        runner.Draw(new SamplingRow(1, 0, 1, 0, 5));
        runner.Add(1, 0, ids.AsSpan(0, 3));
        runner.Add(2, 0, ids);
        runner.Draw(new SamplingRow(9, 1, 1, 0, 12));
        runner.Run();
        Assert.Equal(0, runner.Launches);
        AssertDraw(0, 4, new GenerationSettings { Seed = 1 });
        AssertDraw(1, 11, new GenerationSettings { Seed = 9, Temperature = 1 });

        runner.Begin();
        runner.Add(1, 3, ids.AsSpan(3, 1));
        runner.Run();
        Assert.Equal(0, runner.Tokens.Length + runner.LogProbs.Length);
        Assert.Equal((5, 4, 12), (cache.Length(0), cache.Length(1), cache.Length(2)));

        void AssertDraw(int draw, int row, GenerationSettings settings)
        {
            float[] logits = expected[(row * Vocabulary)..((row + 1) * Vocabulary)];
            Assert.Equal(Sampler.Choose(logits, settings, row + 1), runner.Tokens[draw]);
            runner.ReadLogits(draw, address =>
            {
                unsafe
                {
                    Assert.Equal(logits, new Span<float>((void*)address, Vocabulary).ToArray());
                    Assert.Equal(Sampler.LogProbs((float*)address, Vocabulary, runner.Tokens[draw], 0).LogProb, runner.LogProbs[draw]);
                }
            });
        }
    }

    public void Dispose() => _model.Dispose();
}
