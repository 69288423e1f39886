using System.CommandLine;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>measure</c>.</summary>
internal sealed class MeasureOptions
{
    private readonly CompressOptions _shared = new();

    public MeasureOptions() => _shared.Model.Description += " Or random: and a config.json or a published shape: costs do not depend on the weights' values.";

    public Argument<string> Model => _shared.Model;

    public Option<string[]> Load { get; } = new("--load")
    {
        Description = "A load instead of --batch, --input-length and --output-length: [NAME=]BATCH[,BATCH…]xINPUT+OUTPUT, such as chat=1,8,32x256+128. May be repeated.",
    };

    public Option<string?> Predict { get; } = new("--predict")
    {
        Description = $"Calculate times instead of measuring them, from the ceilings of a machine: {string.Join(", ", Hardware.Named.Select(hardware => hardware.Name))}, or {HardwareProbe.Name}, whose ceilings are measured first.",
    };

    public Option<string?> Output { get; } = new("--out") { Description = "File for the tables, to be given to compress --costs and search --costs." };

    public Option<string?> Into { get; } = new("--into")
    {
        Description = "File to add the tables to: one of measure, or the tables.json of a compression. Loads of the same name take the place of the old.",
    };

    public IEnumerable<Option> All => [Load, Predict, Output, Into, .. _shared.Scenario];

    public bool IsJson(ParseResult result) => result.GetValue(_shared.Json);

    public int Rounds(ParseResult result) => Math.Max(1, result.GetValue(_shared.Rounds));

    /// <summary>The device to measure on, or null where nothing is measured.</summary>
    public Devices.Device? OpenDevice(ParseResult result) =>
        result.GetValue(Predict) is { } name && name != HardwareProbe.Name
            ? null
            : Devices.Device.Open(result.GetValue(_shared.Device)!, result.GetValue(_shared.Threads));

    /// <summary>The machine whose ceilings decide, or null where a clock does.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="device">What <see cref="OpenDevice"/> gave.</param>
    public Hardware? ToHardware(ParseResult result, Devices.Device? device) => result.GetValue(Predict) switch
    {
        null => null,
        HardwareProbe.Name => HardwareProbe.Measure(device!),
        var name => Hardware.Find(name, Predict.Name),
    };

    /// <summary>What to measure: the loads, or the one that the shared options describe.</summary>
    public IReadOnlyList<(string? Name, ServingScenario Scenario)> ToScenarios(
        ParseResult result, Devices.Device? device, Hardware? hardware, ModelConfiguration model)
    {
        string[] texts = result.GetValue(Load) ?? [];
        if (texts.Length == 0)
        {
            return [(null, _shared.ToScenario(result, device, hardware, model, null))];
        }

        foreach (var option in (Option[])[_shared.Batch, _shared.InputLength, _shared.OutputLength])
        {
            if (result.GetResult(option) is { Implicit: false })
            {
                throw new ArgumentException($"{option.Name}: give it or --load, not both");
            }
        }

        return [.. NamedLoad.ParseAll(texts, Load.Name).Select(load => (load.Name, _shared.ToScenario(result, device, hardware, model, load)))];
    }
}
