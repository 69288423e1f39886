using System.CommandLine;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary>Continued pre-training of the healed child: options of <c>compress</c>.</summary>
internal sealed class PretrainOptions
{
    public Option<string?> Data { get; } = new("--pretrain-data") { Description = "Blend file (.yaml) or folder of token shards for continued pre-training of the healed child." };

    public Option<int> Steps { get; } = new("--pretrain-steps") { Description = "Steps of the continued pre-training; 0 for none.", DefaultValueFactory = _ => 0 };

    public Option<string?> Tokens { get; } = new("--pretrain-tokens") { Description = "Tokens of the continued pre-training, such as 20M, in place of --pretrain-steps." };

    public Option<int> BatchTokens { get; } = new("--pretrain-batch-tokens") { Description = "Most tokens of a step of the continued pre-training.", DefaultValueFactory = _ => 4096 };

    public Option<int> Length { get; } = new("--pretrain-length") { Description = "Longest document of the continued pre-training in tokens; 0 for --max-length.", DefaultValueFactory = _ => 0 };

    public Option<double> Rate { get; } = new("--pretrain-lr") { Description = "Peak learning rate of the continued pre-training.", DefaultValueFactory = _ => 1e-4 };

    public Option<double> Floor { get; } = new("--pretrain-lr-floor") { Description = "Learning rate at its end, as a share of the peak.", DefaultValueFactory = _ => 0.05 };

    public Option<string> Schedule { get; } = new("--pretrain-schedule") { Description = "constant, cosine, linear or wsd.", DefaultValueFactory = _ => "cosine" };

    public Option<double> Decay { get; } = new("--pretrain-decay") { Description = "With --pretrain-schedule wsd, the share of the steps behind the warm-up in which the rate falls.", DefaultValueFactory = _ => LearningRateSchedule.UsualDecayShare };

    public Option<int?> Warmup { get; } = new("--pretrain-warmup") { Description = "Steps of rising learning rate; a twentieth by default." };

    public Option<double> Divergence { get; } = new("--pretrain-kl") { Description = "Weight of KL(parent ‖ child) beside the cross-entropy.", DefaultValueFactory = _ => 0 };

    public IEnumerable<Option> All => [Data, Steps, Tokens, BatchTokens, Length, Rate, Floor, Schedule, Decay, Warmup, Divergence];

    /// <summary>The settings, or null where nothing is asked for; the healing says what is kept for the backward.</summary>
    /// <exception cref="ArgumentException">Options contradict each other, or a value cannot be.</exception>
    public PretrainingSettings? ToSettings(ParseResult result, ModelConfiguration model, TrainingSettings healing, int maxLength)
    {
        int batch = OptionChecks.AtLeast(result, BatchTokens, 16);
        int steps = ToSteps(result, batch);
        if (steps == 0)
        {
            return All.FirstOrDefault(option => option != Steps && IsGiven(result, option)) is { } unused
                ? throw new ArgumentException($"{unused.Name} needs {Steps.Name} or {Tokens.Name}")
                : null;
        }

        if (result.GetValue(Data) is null)
        {
            throw new ArgumentException($"{(result.GetValue(Tokens) is null ? Steps : (Option)Tokens).Name} needs {Data.Name} BLEND");
        }

        int length = ToLength(result, maxLength);
        if (length < 2 || length > model.MaxPositions || length > batch)
        {
            throw new ArgumentException(
                $"{Length.Name} {length}: expected 2 to {Math.Min(model.MaxPositions, batch)}, the model's positions and {BatchTokens.Name}");
        }

        int warmup = result.GetValue(Warmup) ?? Math.Max(1, steps / 20);
        if (warmup < 0 || warmup > steps)
        {
            throw new ArgumentException($"{Warmup.Name} {warmup}: expected 0 to the {steps} steps");
        }

        var training = healing with { Schedule = ToSchedule(result, steps, warmup), BatchTokens = batch, MaxLength = length };
        return new PretrainingSettings(training, new ObjectiveWeights(1, OptionChecks.NotNegative(result, Divergence), 0), Math.Max(10, steps / 8));
    }

    /// <summary>Longest document.</summary>
    public int ToLength(ParseResult result, int maxLength) => result.GetValue(Length) is > 0 and var own ? own : maxLength;

    private int ToSteps(ParseResult result, int batch)
    {
        if (result.GetValue(Tokens) is not { } tokens)
        {
            return OptionChecks.AtLeast(result, Steps, 0);
        }

        if (IsGiven(result, Steps))
        {
            throw new ArgumentException($"give {Steps.Name} or {Tokens.Name}, not both");
        }

        long count = HumanUnits.ParseCount(tokens, Tokens.Name), steps = (count + batch - 1) / batch;
        return count > 0 && steps <= int.MaxValue ? (int)steps : throw new ArgumentException($"{Tokens.Name} {tokens}: expected 1 to {int.MaxValue} steps' tokens");
    }

    private LearningRateSchedule ToSchedule(ParseResult result, int steps, int warmup)
    {
        if (!Enum.TryParse(result.GetValue(Schedule), ignoreCase: true, out ScheduleShape shape) || !Enum.IsDefined(shape))
        {
            throw new ArgumentException($"{Schedule.Name} {result.GetValue(Schedule)}: expected constant, cosine, linear or wsd");
        }

        if (shape != ScheduleShape.Wsd && IsGiven(result, Decay))
        {
            throw new ArgumentException($"{Decay.Name} {result.GetValue(Decay)}: only {Schedule.Name} wsd has a decay of its own");
        }

        double peak = OptionChecks.Positive(result, Rate);
        return new LearningRateSchedule(shape, peak, peak * OptionChecks.NotNegative(result, Floor), warmup, steps)
        {
            DecayShare = OptionChecks.Between(result, Decay, 0, 1),
        };
    }

    private static bool IsGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };
}
