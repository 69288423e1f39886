using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Targets;
using Tessera.Training;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>A compression of the small parent: nothing is trained, so it is a matter of a second.</summary>
internal static class SmallCompression
{
    /// <summary>Runs it.</summary>
    /// <param name="folder">For the parent and the run.</param>
    /// <param name="targets">Limits.</param>
    /// <param name="change">Settings besides.</param>
    /// <param name="run">Folder of the run below.</param>
    /// <param name="costs">Costs of an earlier run; null to measure.</param>
    public static CompressionResult Run(
        string folder, string[] targets, Func<CompressionSettings, CompressionSettings> change, string run = "run", CostTable? costs = null)
    {
        string parentFolder = Path.Combine(folder, "parent");
        using var small = new SmallParent();
        ModelFolder.Save(parentFolder, small.Model, DType.F32);
        using var parent = ParentModel.Open(parentFolder, small.Device);
        var settings = new CompressionSettings
        {
            Targets = [.. targets.Select(text => Target.Parse(text))],
            Scenario = new ServingScenario(2, 8, 4, DType.F32, 2),
            BlockDistillation = new BlockDistillationSettings(0, 1e-3),
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
            ParentFolder = parentFolder,
            DataHash = "data",
            Calibration = [SmallParent.Batch(1)],
            Scoring = [SmallParent.Batch(3)],
            Answers = [SmallParent.Batch(6)],
            HeldOut = [SmallParent.Batch(4)],
            Documents = new NoDocuments(),
        };
        return new CompressionPipeline(small.Device, inputs, change(settings), Path.Combine(folder, run), "test") { GivenCosts = costs }.Run();
    }

    /// <summary>Nothing is healed, so nothing is read.</summary>
    private sealed class NoDocuments : IDocumentSource
    {
        public TokenDocument Get(long index) => throw new InvalidOperationException("no document is needed");
    }
}
