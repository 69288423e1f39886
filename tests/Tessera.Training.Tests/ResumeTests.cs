using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Runs;
using Tessera.Training.Checkpoints;
using Tessera.Training.Data.Blends;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

public sealed class ResumeTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly int[] Lengths = [9, 14, 5, 11, 7];
    private readonly CpuDevice _device = new(1);
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-training-").FullName;

    [Fact]
    public void Two_halves_with_a_checkpoint_between_end_with_the_bits_of_one_run()
    {
        byte[][] whole = Run(Path.Combine(_folder, "whole"), 8, 8, "a");
        Run(Path.Combine(_folder, "halves"), 8, 4, "a");
        byte[][] resumed = Run(Path.Combine(_folder, "halves"), 8, 8, "a");
        Assert.Equal(whole, resumed);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(_folder, "whole", "checkpoint.safetensors")),
            File.ReadAllBytes(Path.Combine(_folder, "halves", "checkpoint.safetensors")));
    }

    [Fact]
    public void A_blend_stopped_after_any_step_ends_with_the_bits_of_one_run()
    {
        byte[][] whole = RunBlend(Path.Combine(_folder, "whole"), 9);
        for (int stop = 1; stop < 9; stop++)
        {
            string folder = Path.Combine(_folder, $"stopped-{stop}");
            RunBlend(folder, stop);
            Assert.Equal(whole, RunBlend(folder, 9));
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(_folder, "whole", "checkpoint.safetensors")), File.ReadAllBytes(Path.Combine(folder, "checkpoint.safetensors")));
        }
    }

    [Fact]
    public void A_checkpoint_whose_position_is_not_the_blends_is_refused()
    {
        string folder = Path.Combine(_folder, "blend"), path = Path.Combine(folder, "checkpoint.safetensors");
        RunBlend(folder, 3);
        byte[] bytes = File.ReadAllBytes(path);
        byte[] key = "\"tessera.data_position\":\""u8.ToArray();
        bytes[bytes.AsSpan().IndexOf(key) + key.Length] = (byte)'7';
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<InvalidDataException>(() => RunBlend(folder, 9));
        Assert.StartsWith($"{path}: metadata tessera.data_position: position '7;", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_killed_behind_its_checkpoint_repeats_the_steps_and_their_metrics_once()
    {
        string folder = Path.Combine(_folder, "run");
        byte[][] whole = Train(folder, 8, new TrainingIntervals(3, 2, 1));
        string metrics = File.ReadAllText(Path.Combine(folder, "metrics.jsonl"));
        string killed = Path.Combine(_folder, "killed");
        Directory.CreateDirectory(killed);
        Run(killed, 8, 3, "a");

        // Steps 4 and 5 were logged, then the process died before the next checkpoint.
        File.WriteAllLines(
            Path.Combine(killed, "metrics.jsonl"),
            File.ReadLines(Path.Combine(folder, "metrics.jsonl")).TakeWhile(line => !line.Contains("\"step\":6", StringComparison.Ordinal)));
        Assert.Equal(whole, Train(killed, 8, new TrainingIntervals(3, 2, 1)));
        Assert.Equal(Steps(metrics), Steps(File.ReadAllText(Path.Combine(killed, "metrics.jsonl"))));
        Assert.Equal(8, Steps(metrics).Length);
    }

    [Fact]
    public void Intervals_of_zero_write_only_the_end()
    {
        string folder = Path.Combine(_folder, "sparse");
        Train(folder, 4, new TrainingIntervals(0, 0, 0));
        Assert.Single(Steps(File.ReadAllText(Path.Combine(folder, "metrics.jsonl"))));
        Assert.True(File.Exists(Path.Combine(folder, "checkpoint.safetensors")));
    }

    [Fact]
    public void A_checkpoint_of_other_settings_is_refused_and_stays()
    {
        string folder = Path.Combine(_folder, "other");
        Run(folder, 4, 2, "a");
        byte[] before = File.ReadAllBytes(Path.Combine(folder, "checkpoint.safetensors"));
        var error = Assert.Throws<InvalidDataException>(() => Run(folder, 4, 4, "b"));
        Assert.Contains("other settings", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder, "checkpoint.safetensors")));
    }

    [Fact]
    public void Damaged_checkpoints_are_refused_with_one_sentence()
    {
        string folder = Path.Combine(_folder, "damaged");
        string path = Path.Combine(folder, "checkpoint.safetensors");
        Run(folder, 4, 2, "a");
        byte[] good = File.ReadAllBytes(path);
        byte[] step = "\"tessera.step\":\"2\""u8.ToArray();
        int at = good.AsSpan().IndexOf(step);
        byte[] wrong = [.. good];
        wrong[at + step.Length - 2] = (byte)'x';
        foreach (byte[] damaged in (byte[][])[good[..(good.Length / 2)], good[..100], [], wrong])
        {
            File.WriteAllBytes(path, damaged);
            var error = Assert.Throws<InvalidDataException>(() => Run(folder, 4, 4, "a"));
            Assert.Contains("checkpoint.safetensors", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void Positions_beyond_two_billion_documents_survive_a_checkpoint()
    {
        string path = Path.Combine(_folder, "far.safetensors");
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = Create(model, 4);
        trainer.NextDocument = 5_000_000_000;
        TrainingCheckpoint.Save(path, trainer, "a");
        trainer.NextDocument = 0;
        Assert.True(TrainingCheckpoint.TryRestore(path, trainer, "a"));
        Assert.Equal(5_000_000_000, trainer.NextDocument);
        Assert.False(TrainingCheckpoint.TryRestore(path + ".missing", trainer, "a"));
    }

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string[] Steps(string metrics) =>
        [.. metrics.Split('\n').Where(line => line.Contains("gradient_norm", StringComparison.Ordinal))];

    private static TrainingSettings Settings(int steps) => new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Cosine, 5e-3, 1e-4, 2, steps),
        Accumulation = 2,
        BatchTokens = 20,
        MaxLength = 16,
    };

    /// <summary>A process of its own: fresh weights, restored if there is something to restore, stopped at a step.</summary>
    private byte[][] Run(string folder, int steps, int until, string identity)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "checkpoint.safetensors");
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = Create(model, steps);
        TrainingCheckpoint.TryRestore(path, trainer, identity);
        while (trainer.Steps < until)
        {
            trainer.Step();
        }

        TrainingCheckpoint.Save(path, trainer, identity);
        return SmallModel.AllBytes(model);
    }

    /// <summary>The same over a blend of three sources in three phases, opened anew.</summary>
    private byte[][] RunBlend(string folder, int until)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "checkpoint.safetensors");
        var blend = new BlendSource(
            [.. ((int[][])[[9, 14], [5], [11, 7, 3]]).Select((lengths, i) => new BlendPart($"{i}", ListSource.OfLengths(Vocabulary, lengths), lengths.Length))],
            [new(90, [1, 2, 0]), new(200, [0, 1, 1]), new(null, [3, 1, 1])]);
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = new Trainer(_device, model, Settings(9), ObjectiveWeights.LanguageModelling, blend);
        TrainingCheckpoint.TryRestore(path, trainer, "a");
        while (trainer.Steps < until)
        {
            trainer.Step();
        }

        TrainingCheckpoint.Save(path, trainer, "a");
        return SmallModel.AllBytes(model);
    }

    private byte[][] Train(string folder, int steps, TrainingIntervals intervals)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = Create(model, steps);
        var run = new TrainingRun(trainer, folder, "a", intervals);
        var loss = run.Run(new ProgressOptions { Label = "test", Unit = "steps", Quiet = true });
        Assert.True(loss.Weight > 0);
        return SmallModel.AllBytes(model);
    }

    private Trainer Create(Decoder model, int steps) => new(
        _device, model, Settings(steps), ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, Lengths));
}
