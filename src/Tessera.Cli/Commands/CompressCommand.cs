using System.CommandLine;
using System.Text.Json;
using Tessera.Cli.Cards;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Puzzle;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;

namespace Tessera.Cli.Commands;

/// <summary><c>compress</c>: parent in, smaller and faster child out.</summary>
internal static class CompressCommand
{
    public static Command Create()
    {
        var options = new CompressOptions();
        var command = new Command("compress", "Find, assemble and heal the best child under given limits.") { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    public static void Run(CompressOptions options, ParseResult result)
    {
        string folder = ModelPath.Of(result.GetValue(options.Model)!);
        string output = result.GetValue(options.Output)!;
        OptionChecks.Output(output, "result.json", folder);
        OptionChecks.Output(Path.Combine(output, "child"), "model.safetensors", folder);
        var shape = ModelSource.Open(folder).Configuration;
        var type = options.Work.Type(result);
        using var device = Devices.Device.Open(result.GetValue(options.Device)!, result.GetValue(options.Threads), type);
        var settings = options.ToSettings(result, device, shape);
        string? costs = result.GetValue(options.Costs);
        var inputs = CompressionData.Load(device, folder, options.ToData(result) with { AnswerTask = settings.Scoring.Kind.TaskName }, type);
        using var parent = inputs.Parent;
        var pipeline = new CompressionPipeline(
            device, inputs, settings, output, string.Join(' ', Environment.GetCommandLineArgs().Skip(1)))
        {
            GivenCosts = costs is null ? null : CostTableFile.ReadSet(costs).Find(settings.Scenario, costs),
        };
        if (result.GetValue(options.Work.Until) == "scores")
        {
            Console.WriteLine($"scores: {pipeline.RunScores()}");
            CompressionTimes.WriteStages(Console.Out, pipeline.Stages);
            return;
        }

        var outcome = pipeline.Run();
        string child = Path.Combine(output, outcome.ChildFolder);
        new ModelCard(child, RunOrigin.Of(child), folder).Write();
        ScoringOptions.Report(outcome);
        foreach (var missed in outcome.Targets.Where(target => !target.IsMet))
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"tessera: target {missed.Target} is missed on this machine: the assembled child reaches {missed.Reached:G4}; a larger --margin leaves more room"));
        }

        if (result.GetValue(options.Json))
        {
            Console.WriteLine(JsonSerializer.Serialize(outcome, PuzzleJson.Default.CompressionResult));
        }
        else
        {
            ResultTable.Write(Console.Out, outcome);
            foreach (string line in outcome.Healing is { } healing ? TrainingSection.Lines(healing) : [])
            {
                Console.WriteLine(line);
            }

            CompressionTimes.Write(Console.Out, outcome);
            Console.WriteLine($"child: {Path.Combine(output, outcome.ChildFolder)}");
            Console.WriteLine($"report: {Path.Combine(output, "report.html")}");
        }
    }
}
