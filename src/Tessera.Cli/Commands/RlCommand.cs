using System.CommandLine;
using Tessera.Alignment.Curriculum;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;
using Tessera.Alignment.Runs;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Evaluation.Problems;
using Tessera.Inference;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Runs;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>rl</c>: reinforcement learning (GRPO) on generated problems with verified answers.</summary>
internal static class RlCommand
{
    private const string RatesName = "pass-rates.jsonl";

    public static Command Create()
    {
        var options = new RlOptions();
        options.Thinking.AcceptOnlyFromAmong("on", "off", "both");
        var command = new Command(
            "rl", "Train a model by reinforcement on generated problems (GRPO). Options may come from a file: rl @FILE.") { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static int Run(RlOptions options, ParseResult result)
    {
        string source = ModelPath.Of(result.GetValue(options.Model)!), output = result.GetValue(options.Output)!;
        OptionChecks.Output(output, "checkpoint.safetensors", source);
        var settings = options.ToSettings(result);
        var health = options.ToHealth(result);
        var model = ModelSource.Open(source);
        var tokenizer = model.RequireTokenizer("rl");
        var stopIds = model.StopIds();
        if (stopIds.Count == 0)
        {
            throw new InvalidDataException($"{source}: config.json names no eos_token_id, and responses end with it");
        }

        var prompts = new ProblemPrompts(tokenizer, model.BeginIds(tokenizer), model.LoadChatFormat());
        var modes = Modes(prompts, result.GetValue(options.Thinking));
        var environment = new ProblemEnvironment(
            TasksCommand.Source(ProblemSplit.Training, result.GetValue(options.Seed), result.GetValue(options.Tasks), result.GetValue(options.Levels)),
            tokenizer, prompts,
            new OverlongPenalty(
                settings.MaxNewTokens, OptionChecks.AtLeast(result, options.OverlongBuffer, 0), OptionChecks.NotNegative(result, options.OverlongPenalty)));
        string pool = PoolHash(options, result);
        var known = result.GetValue(options.PassRates) is not ("estimate" or "none") and { } file ? KnownRates(environment, file, pool, modes) : null;
        IReadOnlyList<string> names = known is null
            ? environment.Names(PoolSize(options, result), modes)
            : [.. known.Select(rate => rate.Id)];
        int longest = names.Max(name => environment.Prompt(name).Ids.Length);
        if (longest + settings.MaxNewTokens > model.Configuration.MaxPositions)
        {
            throw new ArgumentException(
                $"--max-new-tokens {settings.MaxNewTokens}: prompts have up to {longest} tokens and the model {model.Configuration.MaxPositions} positions; "
                + $"expected at most {model.Configuration.MaxPositions - longest}");
        }

        settings = settings with { Optimisation = settings.Optimisation with { MaxLength = longest + settings.MaxNewTokens } };
        string precision = result.GetValue(options.Precision)!;
        using var device = SharedOptions.OpenTraining(result.GetValue(options.Device)!, OptionChecks.Threads(result, options.Threads), precision);
        using var policy = ModelFolder.Load(source, SharedOptions.MasterType(precision), device);
        using var reference = settings.Policy.KlWeight > 0 ? ModelFolder.Load(source, device.ActivationType, device) : null;
        // Found out before an hour is spent on pass rates.
        GrpoMemory.Checked(device, policy, settings, reference);
        int running = OptionChecks.AtLeast(result, options.MaxRunning, 1);
        using var generator = new Generator(device, policy, new EngineSettings
        {
            MaxRunning = running,
            Pages = running * KeyValueCache.PagesOf(longest + settings.MaxNewTokens),
        });
        string modelHash = ModelHash.Of(source), template = environment.Prompt(names[0]).Ids is { } ids ? RewardLog.Hash(ids) : string.Empty;
        Directory.CreateDirectory(output);
        var rates = known ?? (result.GetValue(options.PassRates) == "none"
            ? [.. names.Select(name => new PassRate(name, 0, 0))]
            : Estimate(options, result, environment, names, new EngineSampler(generator, stopIds, settings.MaxNewTokens), pool, $"{modelHash} {template}"));
        var plan = Plan(options, result, rates);
        PrintArithmetic(settings, plan, longest);

        using var trainer = new GrpoTrainer(device, policy, settings, reference);
        string identity = ContentHash.OfNamed(options.Identity(result).Concat(
        [
            new("model", modelHash), new("template", template),
            new("pass rates", ContentHash.OfText(string.Join('\n', rates.Select(rate => $"{rate.Id} {rate.Correct}/{rate.Samples}")))),
        ]));
        var run = new GrpoRun(trainer, settings, plan, output, identity)
        {
            Seed = result.GetValue(options.Seed),
            CheckpointEvery = OptionChecks.AtLeast(result, options.CheckpointEvery, 0),
            Health = health,
        };
        var last = run.Run(
            new EngineSampler(generator, stopIds, settings.MaxNewTokens), environment, new ProgressOptions { Label = "rl", Unit = "steps" });
        ModelFolder.Save(
            output, policy, SharedOptions.ParseDataType(result.GetValue(options.DataType)!), source,
            new Dictionary<string, string> { ["tessera.trained_from"] = modelHash });
        if (result.GetValue(options.Json))
        {
            JsonOutput.Print(new { model = output, steps = plan.Count, updates = trainer.Optimizer.Steps, figures = last });
        }
        else
        {
            Console.WriteLine($"{output}: {plan.Count} steps, {trainer.Optimizer.Steps} updates, {StepFigures.Describe(last)}");
        }

        return 0;
    }

    /// <summary>The modes that an option asks for; on with a chat template and off without, where it is not given.</summary>
    private static ThinkingMode[] Modes(ProblemPrompts prompts, string? thinking)
    {
        thinking ??= prompts.IsChat ? "on" : "off";
        if (!prompts.IsChat && thinking != "off")
        {
            throw new ArgumentException($"--thinking {thinking}: the model has no chat template to set the switch with; only off is possible");
        }

        return SharedOptions.ParseThinking(thinking);
    }

    private static int PoolSize(RlOptions options, ParseResult result)
    {
        int pool = OptionChecks.AtLeast(result, options.Pool, 0), uses = OptionChecks.AtLeast(result, options.Uses, 1);
        long needed = ((long)OptionChecks.AtLeast(result, options.Steps, 1) * OptionChecks.AtLeast(result, options.Prompts, 1) + uses - 1) / uses;
        long size = pool > 0 ? pool : result.GetValue(options.PassRates) == "none" ? needed : 2 * needed;
        return size <= 1_000_000 ? (int)size : throw new ArgumentException($"{size} prompts are needed: at most 1000000 are possible, give --uses");
    }

    /// <summary>Hash of what decides which problem a number means.</summary>
    private static string PoolHash(RlOptions options, ParseResult result) => ContentHash.OfNamed(
    [
        new("tasks", result.GetValue(options.Tasks)!), new("levels", result.GetValue(options.Levels) ?? "all"),
        new("seed", $"{result.GetValue(options.Seed)}"),
    ]);

    private static List<PassRate> KnownRates(ProblemEnvironment environment, string file, string pool, ThinkingMode[] modes)
    {
        List<PassRate> rates = [.. PassRateEstimation.Read(file, pool).Where(rate => modes.Contains(environment.Find(rate.Id).Mode))];
        return rates.Count > 0 ? rates : throw new InvalidDataException($"{file}: no pass rate of a prompt in the mode asked for");
    }

    private static IReadOnlyList<PassRate> Estimate(
        RlOptions options, ParseResult result, ProblemEnvironment environment, IReadOnlyList<string> names, EngineSampler sampler, string pool,
        string origin)
    {
        int samples = OptionChecks.AtLeast(result, options.RateSamples, 1);

        // How many prompts there are is not among these: a pool that turns out too small can be enlarged.
        string identity = ContentHash.OfNamed(
        [
            new("origin", origin), new("samples", $"{samples}"), new("limit", $"{result.GetValue(options.MaxNewTokens)}"),
            new("running", $"{result.GetValue(options.MaxRunning)}"), new("thinking", result.GetValue(options.Thinking) ?? "default"),
        ]);
        using var progress = new ProgressReporter(
            Console.Error, new ProgressOptions { Label = "pass rates", Unit = "prompts", Total = names.Count });
        return PassRateEstimation.Estimate(
            Path.Combine(result.GetValue(options.Output)!, RatesName), pool, identity, names, samples, result.GetValue(options.Seed), sampler,
            environment, done => progress.Report(done));
    }

    private static IReadOnlyList<PlannedBatch> Plan(RlOptions options, ParseResult result, IReadOnlyList<PassRate> rates)
    {
        var settings = new CurriculumSettings
        {
            BatchPrompts = result.GetValue(options.Prompts),
            Steps = result.GetValue(options.Steps),
            Width = OptionChecks.Between(result, options.Width, 1e-3, 10),
            Ceiling = OptionChecks.Between(result, options.Ceiling, 1e-9, 2),
            Uses = result.GetValue(options.Uses),
            Seed = result.GetValue(options.Seed),
        };
        var plan = result.GetValue(options.Curriculum) == "gaussian"
            ? CurriculumPlan.Gaussian(rates, settings)
            : CurriculumPlan.Random(rates, settings);
        if (rates.Any(rate => rate.Samples > 0))
        {
            int kept = PassRate.Below(rates, settings.Ceiling).Count;
            Console.Error.WriteLine(
                FormattableString.Invariant($"pass rates: mean {rates.Average(rate => rate.Rate):F3}, {kept} of {rates.Count} prompts below {settings.Ceiling}; ")
                + FormattableString.Invariant($"mean of the first batch {plan[0].MeanRate:F3}, of the last {plan[^1].MeanRate:F3}"));
        }

        return plan;
    }

    private static void PrintArithmetic(GrpoSettings settings, IReadOnlyList<PlannedBatch> plan, int longest)
    {
        int prompts = plan[0].Prompts.Count, samples = prompts * settings.Samples;
        Console.Error.WriteLine(
            $"{plan.Count} steps; a step: {prompts} prompts x {settings.Samples} samples = {samples} responses, {settings.Updates} updates of "
            + $"{(samples / settings.Updates == samples / (double)settings.Updates ? "" : "about ")}{samples / settings.Updates} responses, at most {(long)samples * (longest + settings.MaxNewTokens)} tokens "
            + $"(prompts up to {longest}, responses up to {settings.MaxNewTokens})");
    }
}
