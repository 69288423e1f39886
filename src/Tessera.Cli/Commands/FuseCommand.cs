using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Puzzle;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Scoring;

namespace Tessera.Cli.Commands;

/// <summary><c>fuse</c>: neighbouring feed-forwards of a model, or whole blocks, become one wide layer.</summary>
internal static class FuseCommand
{
    public static Command Create()
    {
        var options = new CompressOptions(healSteps: 0);
        var fusion = new FusionOptions("--");
        var command = new Command("fuse", "Fuse neighbouring feed-forwards without attention between them, or whole blocks, into plain wider layers.") { options.Model };
        foreach (var option in (IEnumerable<Option>)[options.Output, fusion.Runs, fusion.Blocks, .. fusion.Limits, .. options.Data, .. options.Healing, .. options.Scenario])
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, fusion, result));
        return command;
    }

    private static void Run(CompressOptions options, FusionOptions fusion, ParseResult result)
    {
        string folder = ModelPath.Of(result.GetValue(options.Model)!);
        string output = result.GetValue(options.Output)!;
        OptionChecks.Output(output, "result.json", folder);
        OptionChecks.Output(Path.Combine(output, "child"), "model.safetensors", folder);
        var shape = ModelSource.Open(folder).Configuration;
        using var device = Devices.Device.Open(result.GetValue(options.Device)!, result.GetValue(options.Threads));
        var scenario = options.ToScenario(result, device, shape);
        var runs = fusion.ToSettings(result, result.GetValue(fusion.Blocks));
        FusionPipeline.EnsureFusible(shape, runs);
        bool hasData = result.GetValue(options.Tasks) is not null || result.GetValue(options.Blend) is not null || result.GetValue(options.Text) is { Length: > 0 };
        bool seeks = runs is { Blocks: not null, Runs: null };
        if (!hasData && (runs.Threshold is not null || seeks))
        {
            throw NeedsData(runs.Threshold is not null ? fusion.Threshold.Name : fusion.Blocks.Name);
        }

        var healing = options.ToHealing(result, shape, scenario);
        if (!hasData && (healing.Steps > 0 || healing.Course.TestLength > 0))
        {
            string what = healing.Course.Lengths.Count > 0 ? options.Course.Lengths.Name
                : healing.Steps > 0 ? options.HealSteps.Name : options.Course.TestLength.Name;
            throw NeedsData(what);
        }

        var settings = new FusionSettings(runs, scenario, OptionChecks.AtLeast(result, options.Rounds, 1), healing);
        var inputs = hasData ? CompressionData.Load(device, folder, options.ToData(result)) : CompressionData.LoadWithoutData(device, folder);
        using var parent = inputs.Parent;
        var outcome = new FusionPipeline(
            device, inputs, settings, output, string.Join(' ', Environment.GetCommandLineArgs().Skip(1))).Run();
        if (result.GetValue(options.Json))
        {
            Console.WriteLine(JsonSerializer.Serialize(outcome, PuzzleJson.Default.FusionResult));
        }
        else
        {
            Write(outcome);
            Console.WriteLine($"child: {Path.Combine(output, outcome.ChildFolder)}");
            Console.WriteLine($"report: {Path.Combine(output, "report.html")}");
        }
    }

    private static void Write(FusionResult result)
    {
        var comparison = result.Fusion;
        var table = new TextTable("model", ">layers", ">parameters", ">decode tok/s", ">prefill tok/s", ">KL (held out)", ">accuracy");
        void Row(string name, FusionSide side, Estimate? divergence, int correct) => table.Add(
            name, Text(side.Layers.Count, "0"), Text(side.Parameters, "N0"), Text(result.Scenario.Batch / side.DecodeSeconds, "N0"),
            Text(result.Scenario.Batch * result.Scenario.InputLength / side.PrefillSeconds, "N0"),
            divergence is { } kl ? $"{Text(kl.Mean, "0.00000")} ± {Text(kl.StandardError, "0.00000")}" : "-",
            side.Problems == 0 ? "-" : $"{Text(100.0 * correct / side.Problems, "0.0")} %");
        Row("before", comparison.Before, comparison.Before.Divergence, comparison.Before.Correct);
        Row("fused", comparison.After, comparison.After.Divergence, comparison.After.Correct);
        Row($"child ({result.HealingSteps} steps)", comparison.After, result.ChildDivergence, result.ChildCorrect);
        table.Print();
        Console.WriteLine(FormattableString.Invariant(
            $"runs {string.Join(',', comparison.Runs)}; {result.Scenario.Label}; decode after/before {comparison.DecodeSpeedUp:0.000} ± {comparison.DecodeSpeedUpSpread:0.000}"));
    }

    private static ArgumentException NeedsData(string what) => new($"{what} needs data: give --text FILE…, --data BLEND or --tasks all|NAMES");

    private static string Text(IFormattable value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
