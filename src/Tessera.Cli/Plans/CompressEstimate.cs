using System.CommandLine;
using Tessera.Cli.Commands;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Planning;

namespace Tessera.Cli.Plans;

/// <summary>The command line of a compression, read for what it will take and not to run it.</summary>
internal sealed class CompressEstimate
{
    private readonly CompressOptions _options = new();

    public CompressEstimate()
    {
        // What only a run needs may be missing.
        _options.Output.Required = false;
        _options.Limits.Target.Required = false;
        Command = new Command("compress", "Memory, disk and time of a compression, from shapes alone.") { _options.Model };
        foreach (var option in _options.All)
        {
            Command.Add(option);
        }
    }

    /// <summary>The verb with all its options.</summary>
    public Command Command { get; }

    /// <summary>The model that is named.</summary>
    public string Model(ParseResult result) => result.GetValue(_options.Model)!;

    public bool IsJson(ParseResult result) => result.GetValue(_options.Json);

    public string DeviceName(ParseResult result) => result.GetValue(_options.Device)!;

    public int Threads(ParseResult result) => result.GetValue(_options.Threads);

    /// <summary>The shape that stands for the child in the stages behind.</summary>
    public ModelConfiguration Child(ParseResult result, ModelConfiguration parent) =>
        LargestChild.Of(parent, _options.Limits.ToTargets(result, [], string.Empty));

    /// <summary>The stages of the compression of a parent.</summary>
    public IReadOnlyList<StageEstimate> Stages(ParseResult result, ModelConfiguration parent, Devices.Device? device, Hardware hardware)
    {
        var data = _options.ToData(result);
        var work = new CompressionWork(
            data.CalibrationTokens, data.ScoringTokens, data.BatchTokens, data.MaxLength, data.Tasks is null ? 0 : data.Problems);
        return new CompressionPlan(
                parent, _options.ToSettings(result, parent, load => _options.ToScenario(result, device, hardware, parent, load)), work, hardware,
                _options.Work.Type(result))
            .Stages(hasCosts: result.GetValue(_options.Costs) is not null);
    }
}
