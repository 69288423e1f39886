using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>Options that <c>train</c> and <c>distill</c> share.</summary>
internal sealed class TrainOptions
{
    public Argument<string> Model { get; } = new("model") { Description = "Model to start from: folder, .gguf file, or hf:org/name[/file.gguf][@revision]." };

    public Option<string> Output { get; } = new("--out") { Description = "Folder of the run; the model is written there.", Required = true };

    public Option<string[]> Text { get; } = new("--text") { Description = "Text files to train on (one document each, or .jsonl rows with a text field).", AllowMultipleArgumentsPerToken = true };

    public Option<string?> Tasks { get; } = new("--tasks") { Description = "Train on generated problems: all, or comma-separated names." };

    public Option<string?> Levels { get; } = new("--levels") { Description = "Comma-separated levels; all by default." };

    public Option<string?> Data { get; } = SharedOptions.Blend("train on");

    public Option<int> Steps { get; } = new("--steps") { Description = "Optimiser steps.", DefaultValueFactory = _ => 1000 };

    public Option<int> BatchTokens { get; } = new("--batch-tokens") { Description = "Most tokens of a micro-batch.", DefaultValueFactory = _ => 4096 };

    public Option<int> Accumulation { get; } = new("--accumulate") { Description = "Micro-batches of a step.", DefaultValueFactory = _ => 1 };

    public Option<int> MaxLength { get; } = new("--max-length") { Description = "Longest document in tokens.", DefaultValueFactory = _ => 512 };

    public Option<double> LearningRate { get; } = new("--lr") { Description = "Peak learning rate.", DefaultValueFactory = _ => 1e-3 };

    public Option<double> Floor { get; } = new("--lr-floor") { Description = "Learning rate at the end, as a share of the peak.", DefaultValueFactory = _ => 0.05 };

    public Option<string> Schedule { get; } = new("--schedule") { Description = "constant, cosine, linear or wsd.", DefaultValueFactory = _ => "cosine" };

    public Option<double> Decay { get; } = new("--decay") { Description = "With --schedule wsd, the share of the steps behind the warm-up in which the rate falls.", DefaultValueFactory = _ => LearningRateSchedule.UsualDecayShare };

    public Option<int> Warmup { get; } = new("--warmup") { Description = "Steps of rising learning rate.", DefaultValueFactory = _ => 50 };

    public Option<double> WeightDecay { get; } = new("--weight-decay") { Description = "Decoupled decay of matrices.", DefaultValueFactory = _ => 0.1 };

    public Option<double> Clip { get; } = new("--clip") { Description = "Largest norm of the gradient; 0 for none.", DefaultValueFactory = _ => 1.0 };

    public Option<string> Recompute { get; } = SharedOptions.Recompute();

    public Option<bool> Eager { get; } = SharedOptions.Eager();

    public Option<string?> MemoryLimit { get; } = SharedOptions.MemoryLimit();

    public Option<int> CheckpointEvery { get; } = new("--checkpoint-every") { Description = "Steps between checkpoints; 0 for the end only.", DefaultValueFactory = _ => 500 };

    public Option<int> ValidateEvery { get; } = new("--validate-every") { Description = "Steps between validations; 0 for the end only.", DefaultValueFactory = _ => 500 };

    public Option<int> ValidationTokens { get; } = new("--validation-tokens") { Description = "Held-out tokens; 0 for none.", DefaultValueFactory = _ => 16384 };

    public Option<ulong> Seed { get; } = SharedOptions.Seed();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<string> Precision { get; } = SharedOptions.Precision();

    public Option<string> DataType { get; } = SharedOptions.DataType("bf16", "Storage of the written weights: f32 or bf16.");

    public Option<bool> Json { get; } = SharedOptions.Json();

    /// <summary>All but <see cref="Text"/> and <see cref="Data"/>.</summary>
    public IEnumerable<Option> WithoutText =>
    [
        Output, Tasks, Levels, Steps, BatchTokens, Accumulation, MaxLength, LearningRate, Floor, Schedule, Decay, Warmup, WeightDecay,
        Clip, Recompute, Eager, MemoryLimit, CheckpointEvery, ValidateEvery, ValidationTokens, Seed, Threads, Device, Precision, DataType, Json,
    ];

    public IEnumerable<Option> All => WithoutText.Append(Text).Append(Data);

    /// <summary>The options as settings; every number is checked.</summary>
    public TrainingSettings ToSettings(ParseResult result)
    {
        double peak = OptionChecks.Positive(result, LearningRate);
        int steps = OptionChecks.AtLeast(result, Steps, 1);
        if (!Enum.TryParse(result.GetValue(Schedule), ignoreCase: true, out ScheduleShape shape) || !Enum.IsDefined(shape))
        {
            throw new ArgumentException($"--schedule {result.GetValue(Schedule)}: expected constant, cosine, linear or wsd");
        }

        int warmup = OptionChecks.AtLeast(result, Warmup, 0);
        int batchTokens = OptionChecks.AtLeast(result, BatchTokens, 16);
        int maxLength = OptionChecks.AtLeast(result, MaxLength, 2);
        if (warmup > steps || batchTokens < maxLength)
        {
            throw new ArgumentException(warmup > steps
                ? $"--warmup {warmup}: expected at most the {steps} steps of the run"
                : $"--batch-tokens {batchTokens}: expected at least --max-length, {maxLength}");
        }

        return new TrainingSettings
        {
            Schedule = new LearningRateSchedule(
                shape, peak, peak * OptionChecks.NotNegative(result, Floor), warmup, steps)
            {
                DecayShare = DecayShare(result, shape),
            },
            Accumulation = OptionChecks.AtLeast(result, Accumulation, 1),
            BatchTokens = batchTokens,
            MaxLength = maxLength,
            WeightDecay = (float)OptionChecks.NotNegative(result, WeightDecay),
            ClipNorm = OptionChecks.NotNegative(result, Clip),
            Recompute = SharedOptions.ParseRecompute(result.GetValue(Recompute)!),
            Eager = result.GetValue(Eager),
            MemoryLimit = OptionChecks.Bytes(result, MemoryLimit),
        };
    }

    private double DecayShare(ParseResult result, ScheduleShape shape)
    {
        double share = OptionChecks.Between(result, Decay, 0, 1);
        return shape == ScheduleShape.Wsd || result.GetResult(Decay) is not { Implicit: false }
            ? share
            : throw new ArgumentException($"{Decay.Name} {share}: only {Schedule.Name} wsd has a decay of its own");
    }

    /// <summary>What decides the course of a run, by name, for its identity.</summary>
    public IEnumerable<KeyValuePair<string, string>> Identity(ParseResult result)
    {
        Option[] irrelevant = [Output, Recompute, Eager, MemoryLimit, CheckpointEvery, ValidateEvery, ValidationTokens, Threads, DataType, Json];
        foreach (var option in WithoutText.Except(irrelevant))
        {
            // Runs from before there was this option keep their identity.
            if (option == Decay && result.GetResult(option) is not { Implicit: false })
            {
                continue;
            }

            object? value = result.GetResult(option) is OptionResult given ? given.GetValueOrDefault<object?>() : null;
            yield return new(option.Name, Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty);
        }
    }
}
