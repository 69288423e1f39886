using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Jobs;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests;

/// <summary>The states of a model that is in memory, computed in a folder of their own.</summary>
internal sealed class SmallStates : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-states-").FullName;
    private readonly JobFolder _jobs;

    public SmallStates(Device device, Decoder model, IEnumerable<PackedBatch> batches)
    {
        _jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        Steps = new CalibrationSteps(device, [.. batches]);
        Parts = new ResidentParts(model);
        States = new ParentStates(device, Parts, Steps, _jobs, forDistillation: true);
        States.ComputeAll();
    }

    public CalibrationSteps Steps { get; }

    public ModelParts Parts { get; }

    public ParentStates States { get; }

    /// <summary>Divergence of a whole child.</summary>
    public Estimate Score(Device device, Decoder child) =>
        new ModelScorer(device, Parts, Steps, StreamingMemory.Least).Score([new ResidentParts(child)])[0];

    public void Dispose()
    {
        States.Dispose();
        Steps.Dispose();
        _jobs.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
