using System.CommandLine;

namespace Tessera.Cli.Commands;

/// <summary><c>data</c>: training data as token shards and blends.</summary>
internal static class DataCommand
{
    public static Command Create() => new("data", "Training data: token shards and blends of sources.")
    {
        DataTokenizeCommand.Create(), DataInspectCommand.Create(), DataBlendCommand.Create(),
    };
}
