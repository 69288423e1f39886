using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>compress</c>, and those of its parts that <c>measure</c> and <c>fuse</c> share.</summary>
/// <param name="healSteps">Steps of the healing where none are asked for.</param>
internal sealed class CompressOptions(int healSteps = 160)
{
    private const long MostScenarioTokens = 1 << 24;

    public Argument<string> Model { get; } = new("model") { Description = "The parent: folder, .gguf file, or hf:org/name[/file.gguf][@revision]." };

    public Option<string> Output { get; } = new("--out") { Description = "Folder of the run; the child is written to its child folder.", Required = true };

    public SearchLimitOptions Limits { get; } = new() { Target = { Required = true } };

    public Option<string[]> Text { get; } = new("--text") { Description = "Text files to calibrate and heal on.", AllowMultipleArgumentsPerToken = true };

    public Option<string?> Tasks { get; } = new("--tasks") { Description = "Calibrate and heal on generated problems: all, or names." };

    public Option<string?> Blend { get; } = SharedOptions.Blend("calibrate and heal on");

    public Option<string?> Levels { get; } = new("--levels") { Description = "Comma-separated levels; all by default." };

    public Option<string?> Costs { get; } = new("--costs") { Description = "A table from measure, to be used instead of measuring." };

    public Option<int> Batch { get; } = Number("--batch", "Sequences at a time in the measured scenario.", 1);

    public Option<int> QueuedPrompts { get; } = Number("--queued-prompts", "Further sequences whose prompts take room in the cache, counted in memory.", 0);

    public Option<int> InputLength { get; } = Number("--input-length", "Prompt tokens in the scenario.", 64);

    public Option<int> OutputLength { get; } = Number("--output-length", "Generated tokens in the scenario.", 192);

    public Option<string> DataType { get; } = SharedOptions.DataType("bf16", "Storage of weights, keys and values in the scenario, and of the written child.");

    public Option<int> Rounds { get; } = Number("--rounds", "Samples of every measured time.", 9);

    public Option<int> CalibrationTokens { get; } = Number("--calibration-tokens", "Tokens for channel scores and blockwise distillation.", 16384);

    public Option<int> ScoringTokens { get; } = Number("--scoring-tokens", "Tokens for scores, and as many held out.", 6144);

    public Option<int> BatchTokens { get; } = Number("--batch-tokens", "Most tokens of a batch; at least the longest document.", 2048);

    public Option<int> MaxLength { get; } = Number("--max-length", "Longest document in tokens; up to the length that is to be served.", 256);

    public Option<int> BlockSteps { get; } = Number("--block-steps", "Steps of each blockwise distillation; 0 for none.", 32);

    public Option<double> BlockRate { get; } = Rate("--block-lr", "Peak learning rate of the blockwise distillation.", 1e-3);

    public Option<int> BlockPatience { get; } = Number("--block-patience", "End a blockwise distillation after so many passes without a better loss; 0 for never.", 0);

    public LibraryOptions Library { get; } = new();

    public Option<string?> Memory { get; } = new("--memory") { Description = "Most memory of the device while layers pass by, such as 12GiB: changes speed and no result." };

    public Option<int> HealSteps { get; } = Number("--heal-steps", "Steps of the global distillation; 0 for none.", healSteps);

    public Option<int> HealTokens { get; } = Number("--heal-batch-tokens", "Most tokens of a healing step.", 4096);

    public Option<double> HealRate { get; } = Rate("--heal-lr", "Peak learning rate of the global distillation.", 4e-4);

    public Option<double> HealCosine { get; } = Rate("--heal-cosine", "Weight of the cosine loss on hidden states.", 1);

    public Option<double> HealDivergence { get; } = Rate("--heal-kl", "Weight of KL(parent ‖ child).", 1);

    public Option<double> HealCrossEntropy { get; } = Rate("--heal-ce", "Weight of the cross-entropy on the data.", 0);

    public HealingOptions Course { get; } = new();

    public PretrainOptions Pretraining { get; } = new();

    public Option<string> Recompute { get; } = SharedOptions.Recompute();

    public Option<string?> MemoryLimit { get; } = SharedOptions.MemoryLimit();

    public Option<double> Margin { get; } = Rate("--margin", "Share by which speed limits are tightened in the search.", 0.03);

    public Option<string?> Fuse { get; } = new("--fuse")
    {
        Description = "After the assembly and before healing, fuse neighbouring feed-forwards without attention between them (ffn, or no word), or whole blocks (blocks).",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public FusionOptions Fusion { get; } = new("--fuse-");

    public ScoringOptions Scoring { get; } = new();

    public CompressDeviceOptions Work { get; } = new();

    public Option<int> Problems { get; } = Number("--problems", "Unseen problems for accuracy; 0 for none.", 400);

    public Option<ulong> Seed { get; } = SharedOptions.Seed();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<bool> Json { get; } = SharedOptions.Json();

    public IEnumerable<Option> Scenario => [Batch, QueuedPrompts, InputLength, OutputLength, DataType, Rounds, Threads, Device, Json];

    /// <summary>What is drawn to measure on.</summary>
    public IEnumerable<Option> Data => [Text, Blend, Tasks, Levels, CalibrationTokens, ScoringTokens, BatchTokens, MaxLength, Problems, Seed];

    public IEnumerable<Option> Healing =>
        [HealSteps, HealTokens, HealRate, HealCosine, HealDivergence, HealCrossEntropy, .. Course.All, Recompute, MemoryLimit];

    public IEnumerable<Option> All =>
        [.. Scenario, .. Limits.All, .. Data, .. Healing, .. Pretraining.All, Output, Costs, BlockSteps, BlockRate, BlockPatience, .. Library.All, Memory, Margin,
            Fuse, .. Fusion.Limits, .. Scoring.All, .. Work.All];

    /// <summary>The scenario the options describe, on a device that is open.</summary>
    public ServingScenario ToScenario(ParseResult result, Device device, ModelConfiguration model) =>
        ToScenario(result, device, null, model, null);

    /// <summary>The scenario that a load, or else the options describe, on a device that is open or on a machine that is not here.</summary>
    public ServingScenario ToScenario(ParseResult result, Device? device, Hardware? hardware, ModelConfiguration model, NamedLoad? load)
    {
        var scenario = new ServingScenario(
            load?.Batch ?? OptionChecks.AtLeast(result, Batch, 1), load?.InputLength ?? OptionChecks.AtLeast(result, InputLength, 1),
            load?.OutputLength ?? OptionChecks.AtLeast(result, OutputLength, 1), SharedOptions.ParseDataType(result.GetValue(DataType)!),
            device is CpuDevice processor ? processor.Workers.Count : 0)
        {
            Card = (device as CudaDevice)?.Card.Name ?? (device is null ? hardware?.Label : null),
            QueuedPrompts = OptionChecks.AtLeast(result, QueuedPrompts, 0),
        };
        if ((long)scenario.InputLength + scenario.OutputLength > model.MaxPositions)
        {
            throw new ArgumentException(
                $"{(load is null ? "--input-length" : "--load: prompts of")} {scenario.InputLength} and {(load is null ? "--output-length" : "outputs of")} {scenario.OutputLength}: the model takes at most "
                + $"{model.MaxPositions} positions");
        }

        return (long)scenario.Batch * scenario.InputLength <= MostScenarioTokens
            ? scenario
            : throw new ArgumentException($"{(load is null ? "--batch" : "--load: batch")} {scenario.Batch}: expected at most {MostScenarioTokens} prompt tokens in all");
    }

    /// <summary>Everything that decides the compression.</summary>
    public CompressionSettings ToSettings(ParseResult result, Device device, ModelConfiguration model) =>
        ToSettings(result, model, load => ToScenario(result, device, null, model, load));

    /// <summary>Everything that decides the compression.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="model">The parent's shape.</param>
    /// <param name="toScenario">The scenario of a load, or that of the options.</param>
    public CompressionSettings ToSettings(ParseResult result, ModelConfiguration model, Func<NamedLoad?, ServingScenario> toScenario)
    {
        var scenario = toScenario(null);
        var healing = ToHealing(result, model, scenario);
        // A recipe writes a flag as true or false.
        string? fused = result.GetResult(Fuse) is { Implicit: false } ? result.GetValue(Fuse) ?? "ffn" : null;
        bool fuses = fused is not (null or "false");
        if (fused is not (null or "ffn" or "blocks" or "true" or "false"))
        {
            throw new ArgumentException($"{Fuse.Name} {fused}: expected ffn, blocks, or nothing behind it");
        }

        Fusion.EnsureUnused(result, fuses, Fuse);
        var settings = new CompressionSettings
        {
            Targets = Limits.ToTargets(result, [], string.Empty),
            Filter = Limits.ToFilter(result),
            Scenario = scenario,
            Scoring = Scoring.ToSettings(result),
            BlockDistillation = new BlockDistillationSettings(OptionChecks.AtLeast(result, BlockSteps, 0), OptionChecks.NotNegative(result, BlockRate))
            {
                Patience = OptionChecks.AtLeast(result, BlockPatience, 0),
            },
            Library = Library.ToSettings(result),
            Memory = OptionChecks.Bytes(result, Memory),
            CostRounds = OptionChecks.AtLeast(result, Rounds, 1),
            Margin = OptionChecks.NotNegative(result, Margin),
            HealingWeights = healing.Weights,
            HealingInterval = healing.Interval,
            Healing = healing.Training,
            HealingCourse = healing.Course,
            Pretraining = Pretraining.ToSettings(result, model, healing.Training, OptionChecks.AtLeast(result, MaxLength, 2)),
            Fusion = fuses ? Fusion.ToSettings(result, fused == "blocks") : null,
        };
        return Work.Apply(result, settings, model, toScenario);
    }

    /// <summary>The healing, for a child in the scenario's storage.</summary>
    public HealingSettings ToHealing(ParseResult result, ModelConfiguration model, ServingScenario scenario)
    {
        int maxLength = OptionChecks.AtLeast(result, MaxLength, 2);
        if (maxLength > model.MaxPositions)
        {
            throw new ArgumentException($"--max-length {maxLength}: the model takes at most {model.MaxPositions} positions");
        }

        int stepTokens = TokensOf(result, HealTokens);
        var course = Course.ToCourse(result, model, HealSteps, stepTokens, HealTokens.Name);
        int heal = course.Lengths.Count > 0 ? course.Lengths.Sum(phase => phase.Steps) : OptionChecks.AtLeast(result, HealSteps, 0);
        var weights = new ObjectiveWeights(
            OptionChecks.NotNegative(result, HealCrossEntropy), OptionChecks.NotNegative(result, HealDivergence),
            OptionChecks.NotNegative(result, HealCosine), (float)OptionChecks.Positive(result, Course.Temperature));
        if (heal > 0 && weights is { CrossEntropy: 0, Divergence: 0, Cosine: 0 })
        {
            throw new ArgumentException("healing needs --heal-kl, --heal-cosine or --heal-ce above 0, or --heal-steps 0");
        }

        double rate = OptionChecks.NotNegative(result, HealRate);
        var training = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Cosine, rate, rate / 20, Math.Max(1, heal / 20), heal),
            BatchTokens = stepTokens,
            MaxLength = course.Lengths.Count > 0 ? course.Lengths.Max(phase => phase.Length) : maxLength,
            WeightDecay = 0.01f,
            Recompute = SharedOptions.ParseRecompute(result.GetValue(Recompute)!),
            MemoryLimit = OptionChecks.Bytes(result, MemoryLimit),
        };
        return new HealingSettings(training, weights, Math.Max(10, heal / 8), scenario.Type) { Course = course };
    }

    /// <summary>What data to draw.</summary>
    public CompressionDataOptions ToData(ParseResult result) => new()
    {
        Text = result.GetValue(Text) ?? [],
        Blend = result.GetValue(Blend),
        Tasks = result.GetValue(Tasks),
        Levels = result.GetValue(Levels),
        Seed = result.GetValue(Seed),
        CalibrationTokens = OptionChecks.AtLeast(result, CalibrationTokens, 64),
        ScoringTokens = OptionChecks.AtLeast(result, ScoringTokens, 64),
        BatchTokens = TokensOf(result, BatchTokens),
        MaxLength = OptionChecks.AtLeast(result, MaxLength, 2),
        Problems = OptionChecks.AtLeast(result, Problems, 0),
        Healing = new HealingDataOptions
        {
            BatchTokens = TokensOf(result, HealTokens),
            Problems = OptionChecks.AtLeast(result, Course.Problems, 0),
            // A verb without these options, as fuse, has their defaults: none.
            Pretraining = result.GetValue(Pretraining.Data),
            PretrainingLength = Pretraining.ToLength(result, result.GetValue(MaxLength)),
            PretrainingBatchTokens = result.GetValue(Pretraining.BatchTokens),
        },
        Ids = result.GetValue(Work.Ids),
    };

    /// <summary>Tokens of a batch: one that is not given grows with the longest document, one that is given must hold it.</summary>
    private int TokensOf(ParseResult result, Option<int> option)
    {
        int longest = OptionChecks.AtLeast(result, MaxLength, 2);
        return result.GetResult(option) is { Implicit: false }
            ? OptionChecks.AtLeast(result, option, longest) : Math.Max(longest, result.GetValue(option));
    }

    private static Option<int> Number(string name, string description, int fallback) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };

    private static Option<double> Rate(string name, string description, double fallback) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };
}
