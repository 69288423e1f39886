using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Runs;
using Tessera.Training.Checkpoints;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

/// <summary>Phases of different lengths, and runs that end before their last step.</summary>
public sealed class PhaseTests : IDisposable
{
    private const int Vocabulary = 41;
    private const int Total = 9;
    private readonly CpuDevice _device = new(1);
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-phases-").FullName;

    [Fact]
    public void Every_phase_reads_its_own_documents_cut_to_its_own_length()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var (first, second) = (new Recording(6, 6), new Recording(14));
        using var trainer = new Trainer(
            _device, model, Settings(4), ObjectiveWeights.LanguageModelling, [new(3, 6, first), new(1, 14, second)]);
        Assert.Equal((0, 3), (trainer.Phase, trainer.StepsBeforeLastPhase));
        for (int step = 0; step < 3; step++)
        {
            Assert.Equal(24, trainer.Step().Tokens);
        }

        Assert.Equal((1, 0L), (trainer.Phase, trainer.NextDocument));
        Assert.Empty(second.Asked);
        Assert.Equal(28, trainer.Step().Tokens);
        Assert.Equal(Enumerable.Range(0, 13).Select(i => (long)i), first.Asked.Distinct().Order());
        Assert.Equal([0L, 1, 2], second.Asked.Distinct().Order());
    }

    [Fact]
    public void One_phase_has_the_bits_of_a_training_without_phases()
    {
        using var plain = SmallModel.Create(SmallModel.Configuration());
        using (var trainer = new Trainer(_device, plain, Settings(3), ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9, 14)))
        {
            Steps(trainer, 3);
        }

        using var phased = SmallModel.Create(SmallModel.Configuration());
        using (var trainer = new Trainer(
            _device, phased, Settings(3), ObjectiveWeights.LanguageModelling, [new(3, 14, ListSource.OfLengths(Vocabulary, 9, 14))]))
        {
            Steps(trainer, 3);
        }

        Assert.Equal(SmallModel.AllBytes(plain), SmallModel.AllBytes(phased));
    }

    [Fact]
    public void Stopped_inside_and_between_phases_a_run_ends_with_the_bits_of_one_left_alone()
    {
        byte[][] whole = Phased(Path.Combine(_folder, "whole"), Total);
        for (int stop = 1; stop < Total; stop++)
        {
            string folder = Path.Combine(_folder, $"stopped-{stop}");
            Phased(folder, stop);
            Assert.Equal(whole, Phased(folder, Total));
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(_folder, "whole", "checkpoint.safetensors")), File.ReadAllBytes(Path.Combine(folder, "checkpoint.safetensors")));
        }
    }

    [Fact]
    public void Phases_whose_steps_are_not_the_schedules_are_refused()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var error = Assert.Throws<ArgumentException>(() => new Trainer(
            _device, model, Settings(5), ObjectiveWeights.LanguageModelling, [new(3, 6, new Recording(6)), new(1, 14, new Recording(14))]));
        Assert.Equal("the phases have 4 steps, the schedule 5", error.Message);
    }

    [Fact]
    public void Patience_ends_a_run_with_its_best_weights_and_so_it_does_when_it_was_killed()
    {
        var (whole, steps) = Patient(Path.Combine(_folder, "whole"), 40, 2);
        Assert.InRange(steps, 3, 38);

        // The run that is stopped by patience two validations after its best ends with the weights of the best.
        var rows = Rows(Path.Combine(_folder, "whole"));
        var best = rows.MinBy(row => row.Values["validation.loss"])!;
        Assert.Equal(steps, best.Step + 2);
        Assert.Equal(steps, rows[^1].Step);
        var (alone, _) = Patient(Path.Combine(_folder, "until-best"), (int)best.Step, 0, 40);
        Assert.Equal(alone, whole);

        // A process killed behind its last checkpoint leaves rows that the next one must not count.
        for (int stop = 1; stop <= steps; stop += 2)
        {
            string killed = Path.Combine(_folder, $"killed-{stop}");
            Patient(killed, stop, 2, 40);
            File.WriteAllLines(Path.Combine(killed, "metrics.jsonl"), File.ReadLines(Path.Combine(_folder, "whole", "metrics.jsonl")));
            var (resumed, end) = Patient(killed, 40, 2);
            Assert.Equal(whole, resumed);
            Assert.Equal(steps, end);
            Assert.Equal(File.ReadAllText(Path.Combine(_folder, "whole", "metrics.jsonl")), File.ReadAllText(Path.Combine(killed, "metrics.jsonl")));
        }
    }

    [Fact]
    public void Further_sets_and_figures_stand_beside_the_validation_and_patience_judges_the_last_set()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = new Trainer(_device, model, Settings(2), ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9, 14));
        string folder = Path.Combine(_folder, "sets");
        new TrainingRun(trainer, folder, "a", new TrainingIntervals(1, 1, 0))
        {
            Validation = [Batch(3)],
            ValidationSets = [new("6", [Batch(4)]), new("14", [Batch(5)])],
            Figures = () => [("validation.accuracy", 0.25)],
            Patience = 1,
        }.Run(new ProgressOptions { Label = "test", Unit = "steps", Quiet = true });
        var row = Rows(folder)[^1];
        Assert.Equal(trainer.Validate([Batch(4)]).CrossEntropy, row.Values["validation.cross_entropy@6"]);
        Assert.Equal(trainer.Validate([Batch(5)]).CrossEntropy, row.Values["validation.cross_entropy@14"]);
        Assert.Equal(row.Values["validation.cross_entropy@14"], row.Values["validation.loss"]);
        Assert.Equal(0.25, row.Values["validation.accuracy"]);
    }

    [Fact]
    public void Schedules_of_lengths_are_read_in_steps_and_in_tokens()
    {
        Assert.Equal([new(256, 100), new(1024, 40)], LengthPhase.ParseList("256x100, 1024x40", 4096, "--lengths"));
        Assert.Equal([new(512, 489), new(1024, 1), new(8, 2000)], LengthPhase.ParseList("512x2Mtok,1024x1tok,8x2K", 4096, "--lengths"));
        Assert.Equal("1024x40", new LengthPhase(1024, 40).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("256")]
    [InlineData("256x")]
    [InlineData("256x0")]
    [InlineData("1x10")]
    [InlineData("256x10,")]
    [InlineData("x10")]
    [InlineData("-8x10")]
    [InlineData("256x1.5")]
    [InlineData("256xtok")]
    [InlineData("256x1Tttok")]
    [InlineData("256x2000M,256x2000M")]
    public void Other_text_is_refused(string text)
    {
        var error = Assert.Throws<ArgumentException>(() => LengthPhase.ParseList(text, 4096, "--lengths"));
        Assert.StartsWith("--lengths", error.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static TrainingSettings Settings(int steps) => new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Cosine, 5e-3, 1e-4, 2, steps),
        Accumulation = 2,
        BatchTokens = 14,
        MaxLength = 14,
    };

    private static PackedBatch Batch(ulong seed) =>
        BatchPacker.Pack([TokenDocument.Uniform(SmallModel.Ids(12, Vocabulary, seed))], 12, 12);

    private static List<MetricsRow> Rows(string folder) =>
        [.. MetricsWriter.Read(Path.Combine(folder, "metrics.jsonl")).Where(row => row.Values.ContainsKey("validation.loss"))];

    private static void Steps(Trainer trainer, int until)
    {
        while (trainer.Steps < until)
        {
            trainer.Step();
        }
    }

    private byte[][] Phased(string folder, int until)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "checkpoint.safetensors");
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = new Trainer(_device, model, Settings(Total), ObjectiveWeights.LanguageModelling,
        [
            new(3, 5, ListSource.OfLengths(Vocabulary, 9, 4, 5)), new(2, 9, ListSource.OfLengths(Vocabulary, 9, 7)),
            new(4, 14, ListSource.OfLengths(Vocabulary, 14, 3, 8)),
        ]);
        TrainingCheckpoint.TryRestore(path, trainer, "a");
        Steps(trainer, until);
        TrainingCheckpoint.Save(path, trainer, "a");
        return SmallModel.AllBytes(model);
    }

    /// <summary>A model that learns three documents by heart, judged on another: its loss falls and then rises.</summary>
    private (byte[][] Weights, int Steps) Patient(string folder, int until, int patience, int? steps = null)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var settings = Settings(steps ?? until) with { Schedule = new LearningRateSchedule(ScheduleShape.Constant, 2e-2, 0, 0, steps ?? until) };
        using var trainer = new Trainer(
            _device, model, settings, ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9, 14, 6));
        if (steps is not null)
        {
            // What a process leaves that is killed at a step.
            Directory.CreateDirectory(folder);
            Steps(trainer, until);
            TrainingCheckpoint.Save(Path.Combine(folder, "checkpoint.safetensors"), trainer, "a");
            string best = Path.Combine(_folder, "whole", "best.safetensors");
            if (patience > 0)
            {
                File.Copy(best, Path.Combine(folder, "best.safetensors"));
            }

            return (SmallModel.AllBytes(model), until);
        }

        new TrainingRun(trainer, folder, "a", new TrainingIntervals(1, 1, 1)) { Validation = [Batch(9)], Patience = patience }
            .Run(new ProgressOptions { Label = "test", Unit = "steps", Quiet = true });
        return (SmallModel.AllBytes(model), (int)MetricsWriter.Read(Path.Combine(folder, "metrics.jsonl")).Max(row => row.Step));
    }

    /// <summary>Documents of given lengths that tell which were asked for.</summary>
    private sealed class Recording(params int[] lengths) : IDocumentSource
    {
        private readonly ListSource _documents = ListSource.OfLengths(Vocabulary, lengths);

        public List<long> Asked { get; } = [];

        public TokenDocument Get(long index)
        {
            Asked.Add(index);
            return _documents.Get(index);
        }
    }
}
