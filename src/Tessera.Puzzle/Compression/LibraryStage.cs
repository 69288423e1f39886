using Tessera.Devices;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>Makes the halves that are tried, each trained beside its parent where that is asked for.</summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">Model and data.</param>
/// <param name="settings">What to do.</param>
/// <param name="times">Completes the stage.</param>
internal sealed class LibraryStage(Device device, CompressionInputs inputs, CompressionSettings settings, StageClock times)
{
    // Pairs begin with halves as they are made, unless these are to be trained first.
    private readonly BlockDistillationSettings _halves =
        settings.Library.Mode == DistillationMode.Coupled ? settings.BlockDistillation with { Steps = 0 } : settings.BlockDistillation;

    /// <summary>What decides the library; settings that came later count only where they are used.</summary>
    public IEnumerable<(string Name, string Value)> Identity =>
    [
        .. _halves.Identity, .. settings.Library.Identity,
        .. settings.Variants.IsAll ? [] : ((string, string)[])[("variants", settings.Variants.Text)],
        .. inputs.Parent.Parts.Type == DType.F32 ? [] : ((string, string)[])[("precision", inputs.Parent.Parts.Type.Label())],
    ];

    /// <summary>Does what no process has done yet.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="jobs">Its jobs.</param>
    /// <returns>The library, and the operations a second of this process's part of it; 0 where it did none.</returns>
    public (BlockLibrary Library, double Rate) Run(RunFolder stage, JobFolder jobs)
    {
        using var steps = new CalibrationSteps(device, inputs.Calibration);
        using var states = new ParentStates(device, inputs.Parent.Parts, steps, jobs, forDistillation: true, settings.Library.States);
        int total = LibraryBuilder.JobCount(inputs.Parent.Configuration, settings.Variants);
        using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = "library", Unit = "jobs", Total = total });
        var builder = new LibraryBuilder(device, states, _halves, jobs, settings.Variants) { PruneRounds = settings.Library.PruneRounds };
        int own = builder.Run(done => progress.Report(done));
        CompressionPipeline.SayShare("library", own, total, stage.IsComplete);
        times.Complete(stage, jobs);
        return (new BlockLibrary(device, inputs.Parent.Parts, jobs, settings.Variants), builder.Rate);
    }

    /// <summary>Where there is memory for it, has the library keep the halves of the layer that is worked on.</summary>
    public KeptHalves Keep(BlockLibrary library)
    {
        using var steps = new CalibrationSteps(device, inputs.Scoring);
        var memory = StreamingMemory.Of(device, inputs.Parent.Parts, steps, settings.Memory);
        var kept = new KeptHalves(device, memory.VariantBytes);
        library.Kept = memory.VariantBytes > 0 ? kept : null;
        return kept;
    }
}
