using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Tables;

namespace Tessera.Cli.Commands;

/// <summary><c>measure</c>: what every block variant of a parent costs in one or several scenarios.</summary>
internal static class MeasureCommand
{
    public static Command Create()
    {
        var options = new MeasureOptions();
        var command = new Command("measure", "Measure the cost of every block variant of a model, or predict it for a machine.") { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static void Run(MeasureOptions options, ParseResult result)
    {
        if (result.GetValue(options.Output) is not null && result.GetValue(options.Into) is not null)
        {
            throw new ArgumentException("--out, --into: give one of them");
        }

        var shape = ModelSource.Open(result.GetValue(options.Model)!).Configuration;
        using var device = options.OpenDevice(result);
        // What the file holds already is read before minutes are spent on measuring.
        string? into = result.GetValue(options.Into);
        bool isSearch = into is not null && File.Exists(into) && SearchTablesReader.IsNamed(into);
        var tables = isSearch ? SearchTablesReader.Read(into!) : null;
        var set = into is not null && !isSearch && File.Exists(into) ? CostTableFile.ReadSet(into) : null;
        var hardware = options.ToHardware(result, device);
        var measured = options.ToScenarios(result, device, hardware, shape).Select(load => (hardware is null
            ? CostMeasurement.Run(device!, shape, load.Scenario, options.Rounds(result))
            : PredictedCosts.Create(shape, load.Scenario, hardware)) with
        { Name = load.Name }).ToList();
        var fresh = new CostSet { Loads = measured };
        if (tables is not null)
        {
            SearchTablesWriter.Write(into!, MeasuredTables.With(tables, fresh, null, result.GetValue(options.Model)!));
        }
        else if (into is not null)
        {
            CostTableFile.Write(into, set is null ? fresh : set.With(fresh, into));
        }
        else if (result.GetValue(options.Output) is { } path)
        {
            CostTableFile.Write(path, fresh);
        }

        if (options.IsJson(result))
        {
            Console.WriteLine(CostTableFile.Text(fresh));
            return;
        }

        for (int i = 0; i < measured.Count; i++)
        {
            Console.Write(i > 0 ? "\n" : string.Empty);
            Write(measured[i]);
        }
    }

    private static void Write(CostTable table)
    {
        string name = table.Name is null ? string.Empty : $"{table.Name}: ";
        Console.WriteLine($"{name}{table.Scenario.Label}{(table.IsPredicted ? "; predicted, not measured" : string.Empty)}");
        Console.WriteLine($"{"variant",-14}{"parameters",14}{"KV B/token",12}{"prefill µs",12}{"decode µs",12}{"± µs",8}");
        foreach (var cost in table.Mixers.Values.Concat(table.FeedForwards.Values).Append(table.Base))
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{cost.Label,-14}{cost.Parameters,14:N0}{cost.KvBytesPerToken,12:N0}{cost.PrefillSeconds * 1e6,12:F1}{cost.DecodeSeconds * 1e6,12:F2}{Spread(table, cost),8}"));
        }
    }

    private static string Spread(CostTable table, VariantCost cost) =>
        table.IsPredicted ? "-" : (cost.DecodeSpread * 1e6).ToString("F2", CultureInfo.InvariantCulture);
}
