using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Tessera.Alignment.Advantages;
using Tessera.Alignment.Health;
using Tessera.Alignment.Policy;
using Tessera.Kernels;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>rl</c>.</summary>
internal sealed class RlOptions
{
    public Argument<string> Model { get; } = new("model") { Description = "Model to start from: folder, .gguf file, or hf:org/name[/file.gguf][@revision]." };

    public Option<string> Output { get; } = new("--out") { Description = "Folder of the run; the model is written there.", Required = true };

    public Option<string> Tasks { get; } = new("--tasks") { Description = "Generated problems: all, or comma-separated names.", DefaultValueFactory = _ => "all" };

    public Option<string?> Levels { get; } = new("--levels") { Description = "Comma-separated levels; all by default." };

    public Option<string?> Thinking { get; } = new("--thinking") { Description = "Ask with reasoning: on, off or both; on by default, off for a model without a chat template." };

    public Option<int> Steps { get; } = new("--steps") { Description = "Rollouts.", DefaultValueFactory = _ => 100 };

    public Option<int> Prompts { get; } = new("--prompts") { Description = "Prompts of a rollout.", DefaultValueFactory = _ => 32 };

    public Option<int> Samples { get; } = new("--samples") { Description = "Responses to each prompt.", DefaultValueFactory = _ => 8 };

    public Option<int> Updates { get; } = new("--updates") { Description = "Optimiser updates of a rollout; each takes its share of the prompts.", DefaultValueFactory = _ => 2 };

    public Option<int> MaxNewTokens { get; } = new("--max-new-tokens") { Description = "Most tokens of a response.", DefaultValueFactory = _ => 256 };

    public Option<double> LearningRate { get; } = new("--lr") { Description = "Peak learning rate; large models want 1e-6 or less.", DefaultValueFactory = _ => 1e-5 };

    public Option<double> Floor { get; } = new("--lr-floor") { Description = "Learning rate at the end, as a share of the peak.", DefaultValueFactory = _ => 0.1 };

    public Option<string> Schedule { get; } = new("--schedule") { Description = "constant, cosine, linear or wsd.", DefaultValueFactory = _ => "cosine" };

    public Option<int> Warmup { get; } = new("--warmup") { Description = "Updates of rising learning rate.", DefaultValueFactory = _ => 10 };

    public Option<double> WeightDecay { get; } = new("--weight-decay") { Description = "Decoupled decay of matrices.", DefaultValueFactory = _ => 0.01 };

    public Option<double> Clip { get; } = new("--clip") { Description = "Largest norm of the gradient; 0 for none.", DefaultValueFactory = _ => 1.0 };

    public Option<double> ClipLow { get; } = new("--clip-low") { Description = "Ratios below 1 minus this stop discouraging a token.", DefaultValueFactory = _ => 0.2 };

    public Option<double> ClipHigh { get; } = new("--clip-high") { Description = "Ratios above 1 plus this stop encouraging a token.", DefaultValueFactory = _ => 0.2 };

    public Option<double> DualClip { get; } = new("--clip-dual") { Description = "Ratio above which a discouraged token's loss stops growing, such as 3; 0 for none.", DefaultValueFactory = _ => 0 };

    public Option<double> Kl { get; } = new("--kl") { Description = "Weight of the KL term against the starting model; 0 loads no reference.", DefaultValueFactory = _ => 0.001 };

    public Option<string> KlGradient { get; } = Choice("--kl-gradient", "value", "Gradient of the KL term: value or on-policy.", "value", "on-policy");

    public Option<string> Advantage { get; } = Choice(
        "--advantage", "group", "group (mean and std), group-population, loo-std, loo-siblings, centred (Dr.GRPO), loo (RLOO).", "group", "group-population", "loo-std", "loo-siblings", "centred", "loo");

    public Option<string> Aggregation { get; } = Choice("--aggregation", "token", "Mean of losses: token, sequence or constant.", "token", "sequence", "constant");

    public Option<bool> MaskTruncated { get; } = new("--mask-truncated") { Description = "Leave responses that were cut off out of the loss." };

    public Option<string> Correction { get; } = Choice("--correction", "none", "For the gap between engine and trainer: none, truncate or mask.", "none", "truncate", "mask");

    public Option<int> OverlongBuffer { get; } = new("--overlong-buffer") { Description = "Tokens below the limit over which a penalty for length rises; 0 for none.", DefaultValueFactory = _ => 0 };

    public Option<double> OverlongPenalty { get; } = new("--overlong-penalty") { Description = "What a response at the limit loses.", DefaultValueFactory = _ => 1 };

    public Option<string> Curriculum { get; } = Choice("--curriculum", "gaussian", "Order of prompts: gaussian (easy to hard) or random.", "gaussian", "random");

    public Option<string> PassRates { get; } = new("--pass-rates") { Description = "estimate, none (random order only), or the pass-rates.jsonl of an earlier run.", DefaultValueFactory = _ => "estimate" };

    public Option<int> RateSamples { get; } = new("--rate-samples") { Description = "Responses to each prompt for its pass rate.", DefaultValueFactory = _ => 8 };

    public Option<int> Pool { get; } = new("--pool") { Description = "Prompts whose pass rate is estimated; 0 for twice those that are needed.", DefaultValueFactory = _ => 0 };

    public Option<double> Ceiling { get; } = new("--ceiling") { Description = "Prompts solved at least this often are left out.", DefaultValueFactory = _ => 0.75 };

    public Option<double> Width { get; } = new("--width") { Description = "Standard deviation of the curriculum in pass rate.", DefaultValueFactory = _ => 0.125 };

    public Option<int> Uses { get; } = new("--uses") { Description = "Most rollouts that a prompt may be part of.", DefaultValueFactory = _ => 1 };

    public Option<int> BatchTokens { get; } = new("--batch-tokens") { Description = "Most tokens of a micro-batch.", DefaultValueFactory = _ => 8192 };

    public Option<string> Recompute { get; } = SharedOptions.Recompute();

    public Option<string?> MemoryLimit { get; } = SharedOptions.MemoryLimit();

    public Option<int> MaxRunning { get; } = new("--max-running") { Description = "Responses that are drawn at once.", DefaultValueFactory = _ => 64 };

    public Option<string[]> Gates { get; } = new("--gate")
    {
        Description = "NAME=LIMIT:PATIENCE of a health gate (gap, kl, entropy, reward, truncated, dead); patience 0 switches it off.",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<int> CheckpointEvery { get; } = new("--checkpoint-every") { Description = "Rollouts between checkpoints; 0 for the end only.", DefaultValueFactory = _ => 5 };

    public Option<ulong> Seed { get; } = SharedOptions.Seed();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<string> Precision { get; } = SharedOptions.Precision();

    public Option<string> DataType { get; } = SharedOptions.DataType("bf16", "Storage of the written weights: f32 or bf16.");

    public Option<bool> Json { get; } = SharedOptions.Json();

    public IEnumerable<Option> All =>
    [
        Output, Tasks, Levels, Thinking, Steps, Prompts, Samples, Updates, MaxNewTokens, LearningRate, Floor, Schedule, Warmup, WeightDecay,
        Clip, ClipLow, ClipHigh, DualClip, Kl, KlGradient, Advantage, Aggregation, MaskTruncated, Correction, OverlongBuffer, OverlongPenalty,
        Curriculum, PassRates, RateSamples, Pool, Ceiling, Width, Uses, BatchTokens, Recompute, MemoryLimit, MaxRunning, Gates, CheckpointEvery, Seed, Threads, Device, Precision,
        DataType, Json,
    ];

    /// <summary>The options as settings of the trainer; every number is checked.</summary>
    public GrpoSettings ToSettings(ParseResult result)
    {
        int updates = OptionChecks.AtLeast(result, Updates, 1), steps = OptionChecks.AtLeast(result, Steps, 1);
        int warmup = OptionChecks.AtLeast(result, Warmup, 0);
        double peak = OptionChecks.Positive(result, LearningRate);
        if (!Enum.TryParse(result.GetValue(Schedule), ignoreCase: true, out ScheduleShape shape) || !Enum.IsDefined(shape))
        {
            throw new ArgumentException($"--schedule {result.GetValue(Schedule)}: expected constant, cosine, linear or wsd");
        }

        var settings = new GrpoSettings
        {
            Optimisation = new TrainingSettings
            {
                Schedule = new LearningRateSchedule(
                    shape, peak, peak * OptionChecks.NotNegative(result, Floor), Math.Min(warmup, steps * updates), steps * updates),
                BatchTokens = OptionChecks.AtLeast(result, BatchTokens, 16),
                WeightDecay = (float)OptionChecks.NotNegative(result, WeightDecay),
                ClipNorm = OptionChecks.NotNegative(result, Clip),
                Beta2 = 0.98f,
                Recompute = SharedOptions.ParseRecompute(result.GetValue(Recompute)!),
                MemoryLimit = OptionChecks.Bytes(result, MemoryLimit),
            },
            Samples = OptionChecks.AtLeast(result, Samples, 2),
            Updates = updates,
            MaxNewTokens = OptionChecks.AtLeast(result, MaxNewTokens, 1),
            Estimator = EstimatorOf(result.GetValue(Advantage)!),
            Aggregation = Enum.Parse<LossAggregation>(result.GetValue(Aggregation)!, ignoreCase: true),
            MasksTruncated = result.GetValue(MaskTruncated),
            Correction = Enum.Parse<OffPolicyCorrection>(result.GetValue(Correction)!, ignoreCase: true),
            Policy = new PolicySettings
            {
                ClipLow = (float)OptionChecks.Between(result, ClipLow, 0, 1),
                ClipHigh = (float)OptionChecks.NotNegative(result, ClipHigh),
                DualClip = (float)OptionChecks.NotNegative(result, DualClip),
                KlWeight = (float)OptionChecks.NotNegative(result, Kl),
                KlGradient = result.GetValue(KlGradient) == "value" ? Kernels.KlGradient.Value : Kernels.KlGradient.OnPolicy,
            },
        };
        settings.Validate(OptionChecks.AtLeast(result, Prompts, 1));
        return settings;
    }

    /// <summary>The gates with the limits that were given.</summary>
    public HealthSettings ToHealth(ParseResult result)
    {
        var health = new HealthSettings();
        foreach (string gate in result.GetValue(Gates) ?? [])
        {
            string[] parts = gate.Split('=', ':');
            if (parts.Length != 3 || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double limit)
                || !double.IsFinite(limit) || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int patience))
            {
                throw new ArgumentException($"--gate {gate}: expected NAME=LIMIT:PATIENCE, such as gap=1.05:3");
            }

            var chosen = new GateLimit(limit, patience);
            health = parts[0] switch
            {
                "gap" => health with { LogProbGap = chosen },
                "kl" => health with { Divergence = chosen },
                "entropy" => health with { Entropy = chosen },
                "reward" => health with { Reward = chosen },
                "truncated" => health with { Truncation = chosen },
                "dead" => health with { DeadGroups = chosen },
                _ => throw new ArgumentException($"--gate {gate}: expected gap, kl, entropy, reward, truncated or dead"),
            };
        }

        return health;
    }

    /// <summary>What decides the course of a run, by name, for its identity.</summary>
    public IEnumerable<KeyValuePair<string, string>> Identity(ParseResult result)
    {
        // Max-running is among what decides: the bits of a draw's logits depend on what else is in the batch.
        Option[] irrelevant = [Output, PassRates, Recompute, MemoryLimit, Gates, CheckpointEvery, Threads, DataType, Json];
        foreach (var option in All.Except(irrelevant))
        {
            object? value = result.GetResult(option) is OptionResult given ? given.GetValueOrDefault<object?>() : null;
            yield return new(option.Name, Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty);
        }
    }

    private static AdvantageEstimator EstimatorOf(string name) => name switch
    {
        "group" => AdvantageEstimator.GroupStandardised,
        "group-population" => AdvantageEstimator.GroupStandardisedPopulation,
        "loo-std" => AdvantageEstimator.LeaveOneOutStandardised,
        "loo-siblings" => AdvantageEstimator.LeaveOneOutSiblings,
        "centred" => AdvantageEstimator.Centred,
        _ => AdvantageEstimator.LeaveOneOut,
    };

    private static Option<string> Choice(string name, string fallback, string description, params string[] values)
    {
        var option = new Option<string>(name) { Description = description, DefaultValueFactory = _ => fallback };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
