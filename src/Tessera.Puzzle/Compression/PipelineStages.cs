using Tessera.Runs;

namespace Tessera.Puzzle.Compression;

/// <summary>Opens the stage folders of a run: each is named by the hash of parent, data, earlier stages and settings.</summary>
internal sealed class PipelineStages(CompressionInputs inputs, string output, string command)
{
    private static readonly string ToolVersion = typeof(PipelineStages).Assembly.GetName().Version?.ToString(3) ?? "0";

    private readonly SortedDictionary<string, string> _opened = new(StringComparer.Ordinal);

    /// <summary>Folders of the stages that were opened, by name; the last of a name.</summary>
    public IReadOnlyDictionary<string, string> Opened => _opened;

    /// <summary>A stage that depends on parent and data.</summary>
    public RunFolder Open(
        string name, IEnumerable<(string Name, string Hash)> stages, IEnumerable<(string Name, string Value)> values) =>
        Noted(RunFolder.Open(output, new RunStage
        {
            Name = name,
            ToolVersion = ToolVersion,
            Command = command,
            Settings = values.ToDictionary(pair => pair.Name, pair => pair.Value),
            Inputs = stages.Append(("parent", inputs.ParentHash)).Append(("data", inputs.DataHash))
                .ToDictionary(pair => pair.Item1, pair => pair.Item2),
        }));

    /// <summary>A stage as it is on the disk now: another process may have completed it.</summary>
    public RunFolder Reopen(RunFolder stage) => Open(
        stage.Manifest.Stage, stage.Manifest.Inputs.Where(pair => pair.Key is not ("parent" or "data")).Select(pair => (pair.Key, pair.Value)),
        stage.Manifest.Settings.Select(pair => (pair.Key, pair.Value)));

    /// <summary>Continued pre-training of what a healing leaves, on data of its own; null where there is none.</summary>
    public RunFolder? OpenPretraining(RunFolder healing, PretrainingSettings? settings) => settings is null
        ? null
        : Open("pretrain", [("healing", healing.Manifest.Hash), ("pretraining-data", inputs.Healing.Pretraining?.Hash ?? string.Empty)], settings.Identity);

    /// <summary>Times depend on shapes and scenario alone: other data, or other weights of the same shape, do not ask for new ones.</summary>
    public RunFolder OpenMeasurement(IEnumerable<(string Name, string Value)> values) => Noted(RunFolder.Open(output, new RunStage
    {
        Name = "measure",
        ToolVersion = ToolVersion,
        Command = command,
        Settings = values.ToDictionary(pair => pair.Name, pair => pair.Value),
    }));

    private RunFolder Noted(RunFolder stage)
    {
        _opened[stage.Manifest.Stage] = Path.GetFileName(stage.FullPath);
        return stage;
    }
}
