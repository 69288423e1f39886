using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle;
using Tessera.Puzzle.Costs;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>measure</c>: what every block variant of a parent costs in a scenario.</summary>
internal static class MeasureCommand
{
    public static Command Create()
    {
        var options = new CompressOptions();
        var output = new Option<string?>("--out") { Description = "File for the table, to be given to compress --costs." };
        var command = new Command("measure", "Measure the cost of every block variant of a model.") { options.Model, output };
        foreach (var option in options.Scenario)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            using var device = Devices.Device.Open(result.GetValue(options.Device)!, result.GetValue(options.Threads));
            var shape = ModelFolder.ReadConfiguration(ModelPath.Of(result.GetValue(options.Model)!));
            var table = CostMeasurement.Run(device, shape, options.ToScenario(result, device, shape), Math.Max(1, result.GetValue(options.Rounds)));
            string json = JsonSerializer.Serialize(table, PuzzleJson.Default.CostTable);
            if (result.GetValue(output) is { } path)
            {
                AtomicFile.WriteAllText(path, json);
            }

            if (result.GetValue(options.Json))
            {
                Console.WriteLine(json);
            }
            else
            {
                Write(table);
            }
        });
        return command;
    }

    private static void Write(CostTable table)
    {
        Console.WriteLine(table.Scenario.Label);
        Console.WriteLine($"{"variant",-14}{"parameters",12}{"KV B/token",12}{"prefill µs",12}{"decode µs",12}{"± µs",8}");
        foreach (var cost in table.Mixers.Values.Concat(table.FeedForwards.Values).Append(table.Base))
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{cost.Label,-14}{cost.Parameters,12:N0}{cost.KvBytesPerToken,12:N0}{cost.PrefillSeconds * 1e6,12:F1}{cost.DecodeSeconds * 1e6,12:F2}{cost.DecodeSpread * 1e6,8:F2}"));
        }
    }
}
