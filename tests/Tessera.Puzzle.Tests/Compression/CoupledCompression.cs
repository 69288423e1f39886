using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Targets;
using Tessera.Training;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>A whole compression of a small parent without healing, in a folder of its own, with costs that are measured once.</summary>
internal sealed class CoupledCompression : IDisposable
{
    private static readonly ServingScenario Scenario = new(2, 8, 4, DType.F32, 2);
    private readonly Lazy<CostTable> _costs;
    private readonly SmallParent _small;

    public CoupledCompression(SmallParent small)
    {
        _small = small;
        Folder = Directory.CreateTempSubdirectory("tessera-compression-").FullName;
        ModelFolder.Save(ParentFolder, small.Model, DType.F32);
        _costs = new(() => CostMeasurement.Run(_small.Device, _small.Configuration, Scenario, 1));
    }

    public string Folder { get; }

    public string Output => Path.Combine(Folder, "run");

    private string ParentFolder => Path.Combine(Folder, "parent");

    public CompressionResult Run(string[] targets, LibrarySettings library, int steps, string? output = null)
    {
        using var parent = ParentModel.Open(ParentFolder, _small.Device);
        var settings = new CompressionSettings
        {
            Targets = [.. targets.Select(text => Target.Parse(text))],
            Scenario = Scenario,
            BlockDistillation = new BlockDistillationSettings(steps, 2e-3),
            Library = library,
            Healing = new TrainingSettings
            {
                Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 0),
                BatchTokens = 64,
                MaxLength = 32,
            },
            CostRounds = 1,
        };
        var inputs = new CompressionInputs
        {
            Parent = parent,
            ParentHash = "parent",
            ParentFolder = ParentFolder,
            DataHash = "data",
            Calibration = [SmallParent.Batch(1), SmallParent.Batch(2)],
            Scoring = [SmallParent.Batch(3)],
            HeldOut = [SmallParent.Batch(4)],
        };
        return new CompressionPipeline(_small.Device, inputs, settings, output ?? Output, "test") { GivenCosts = _costs.Value }.Run();
    }

    /// <summary>The folders of a stage of the run.</summary>
    public string[] Stages(string name) => Directory.GetDirectories(Output, name + "-*");

    /// <summary>Names of the jobs of a stage that match a pattern.</summary>
    public static string[] Jobs(string stage, string pattern) =>
        [.. Directory.GetFiles(Path.Combine(stage, "jobs"), pattern + ".json").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
