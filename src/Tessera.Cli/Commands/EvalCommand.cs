using System.CommandLine;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Evaluation.Problems;
using Tessera.Evaluation.Statistics;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Runs;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>eval</c>: how well models solve unseen problems, with reasoning on and off.</summary>
internal static class EvalCommand
{
    private const int ProblemsAtOnce = 256;

    public static Command Create()
    {
        var options = new EvalOptions();
        var command = new Command("eval", "Accuracy on unseen problems with reasoning on and off, obedience to the switch, paired comparisons.") { options.Models };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static void Run(EvalOptions options, ParseResult result)
    {
        var modes = options.Modes(result);
        int[] hard = options.Hard(result);
        if (result.GetValue(options.ThinkingBudget) is < 0)
        {
            throw new ArgumentException($"--thinking-budget {result.GetValue(options.ThinkingBudget)}: expected 0 or more");
        }

        foreach (var mode in modes)
        {
            options.Sampling(result, mode);
        }

        var problems = TasksCommand.Source(
                ProblemSplit.Evaluation, result.GetValue(options.Seed), result.GetValue(options.Tasks), result.GetValue(options.Levels))
            .Distinct(OptionChecks.AtLeast(result, options.Count, 1)).Select(item => item.Problem).ToList();
        int workers = OptionChecks.Threads(result, options.Threads);
        var sources = result.GetValue(options.Models)!.Select(ModelSource.Open).ToList();
        string[] labels = Labels(sources);
        var protocol = options.Protocol(result);
        for (int i = 0; i < sources.Count; i++)
        {
            protocol[$"model {labels[i]}"] = ModelHash.Of(sources[i].Folder);
        }

        using var folder = EvaluationFolder.Open(result.GetValue(options.Output), protocol);
        using var device = SharedOptions.OpenServing(
            result.GetValue(options.Device)!, workers, SharedOptions.ParseDataType(result.GetValue(options.DataType)!));
        var groups = new List<SampleGroup>();
        for (int i = 0; i < sources.Count; i++)
        {
            groups.AddRange(Sample(options, result, device, sources[i], labels[i], modes, problems, folder));
        }

        var outcome = new EvaluationResult(
            protocol, [.. groups.Select(group => ModeResult.Of(group.Model, group.Mode, group.Samples))], Compare(groups, hard));
        folder.Write(outcome);
        if (result.GetValue(options.Json))
        {
            Console.WriteLine(JsonSerializer.Serialize(outcome, EvaluationJson.Default.EvaluationResult));
        }
        else
        {
            EvaluationTable.Print(outcome);
        }
    }

    /// <summary>The folder's own name; with its number where two models have the same.</summary>
    private static string[] Labels(List<ModelSource> sources)
    {
        string[] names = [.. sources.Select(source => Path.GetFileName(Path.GetFullPath(source.Folder)))];
        return names.Distinct(StringComparer.Ordinal).Count() == names.Length
            ? names
            : [.. names.Select((name, i) => $"{i + 1}-{name}")];
    }

    private static List<SampleGroup> Sample(
        EvalOptions options, ParseResult result, Device device, ModelSource source, string label, PromptMode[] modes,
        List<Problem> problems, EvaluationFolder folder)
    {
        var type = SharedOptions.ParseDataType(result.GetValue(options.DataType)!);
        var tokenizer = source.RequireTokenizer("eval");
        using var model = source.Load(type, device);
        using var generator = new Generator(
            device, model, EngineSettings.Throughput with
            {
                CacheType = SharedOptions.CacheType(type),
                Invariant = result.GetValue(options.Invariant),
                Eager = result.GetValue(options.Eager),
            });
        var prompts = new ProblemPrompts(tokenizer, source.BeginIds(tokenizer), source.LoadChatFormat());
        var sampler = new ProblemSampler(generator, tokenizer, prompts, source.StopIds());
        Func<int[], SequenceGuide>? guide = result.GetValue(options.ThinkingBudget) is { } budget
            ? prompt => new ThinkingBudget(tokenizer, prompt, budget)
            : null;
        var groups = new List<SampleGroup>();
        foreach (var mode in modes)
        {
            var (settings, count) = options.Sampling(result, mode);
            var samples = folder.Read(label, mode, count, problems);
            using var progress = new ProgressReporter(Console.Error, new ProgressOptions
            {
                Label = $"{label} {mode.ToString().ToLowerInvariant()}",
                Unit = "samples",
                Total = problems.Count * count,
                Done = samples.Count / (ProblemsAtOnce * count) * (ProblemsAtOnce * count),
            });
            foreach (var group in problems.Select((problem, i) => (Index: i, Problem: problem)).Chunk(ProblemsAtOnce))
            {
                // Groups have fixed borders and are drawn as a whole, since the last bits of a sample may depend on its neighbours: a
                // killed evaluation draws the group it died in again, and keeps what it lacks.
                int known = samples.Count - (group[0].Index * count);
                if (known < group.Length * count)
                {
                    var drawn = sampler.Sample(group, mode, count, settings, guide, _ => progress.Advance());
                    ProblemSample[] more = [.. drawn.Skip(known)];
                    folder.Append(label, mode, more);
                    samples.AddRange(more);
                }
            }

            groups.Add(new SampleGroup(label, mode, samples));
        }

        return groups;
    }

    /// <summary>The first model against the others in each mode, and on against off in each model.</summary>
    private static List<PairedResult> Compare(List<SampleGroup> groups, int[] hard)
    {
        var results = new List<PairedResult>();
        foreach (var left in groups)
        {
            foreach (var right in groups)
            {
                bool sameModel = left.Model == right.Model && left.Mode == PromptMode.On && right.Mode == PromptMode.Off;
                bool sameMode = left.Mode == right.Mode && right.Model == groups[0].Model && left.Model != right.Model;
                if (sameModel || sameMode)
                {
                    results.Add(Pair(left, right, null));
                    results.Add(Pair(left, right, hard));
                }
            }
        }

        return [.. results.Where(pair => pair.Difference.Count > 0)];
    }

    private static PairedResult Pair(SampleGroup left, SampleGroup right, int[]? levels) => new(
        left.Name, right.Name, levels is null ? "all" : string.Join(',', levels),
        Estimate.From(ClusteredMean.OfDifferences(ModeResult.Scores(left.Samples, levels), ModeResult.Scores(right.Samples, levels))));

    private sealed record SampleGroup(string Model, PromptMode Mode, List<ProblemSample> Samples)
    {
        public string Name => $"{Model} {Mode.ToString().ToLowerInvariant()}";
    }
}
