using Tessera.Runs;
using Tessera.Training.Checkpoints;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training;

/// <summary>How often a run looks around.</summary>
/// <param name="CheckpointEvery">Steps between checkpoints; 0 for only the end.</param>
/// <param name="ValidateEvery">Steps between validations; 0 for only the end.</param>
/// <param name="LogEvery">Steps between rows of the metrics file; 0 for only the end.</param>
public sealed record TrainingIntervals(int CheckpointEvery, int ValidateEvery, int LogEvery);

/// <summary>
/// Drives a <see cref="Trainer"/> to its last step inside a run folder: resumes from <c>checkpoint.safetensors</c>, writes
/// <c>metrics.jsonl</c>, validates, reports progress.
/// </summary>
/// <remarks>
/// Killed at any moment and started again, it ends with the bits of an uninterrupted run: the checkpoint is replaced
/// atomically and metrics beyond it are dropped.
/// </remarks>
/// <param name="trainer">The trainer.</param>
/// <param name="folder">Where the run's files live.</param>
/// <param name="identity">Hash of everything that decides the run.</param>
/// <param name="intervals">How often to do what.</param>
public sealed class TrainingRun(Trainer trainer, string folder, string identity, TrainingIntervals intervals)
{
    private const double SmoothingSteps = 50;

    /// <summary>Held-out batches, or none.</summary>
    public IReadOnlyList<PackedBatch> Validation { get; init; } = [];

    /// <summary>Called after a validation with step and losses.</summary>
    public Action<int, LossValues>? OnValidation { get; init; }

    /// <summary>File of the run's state.</summary>
    public string CheckpointPath => Path.Combine(folder, "checkpoint.safetensors");

    /// <summary>Runs to the end.</summary>
    /// <returns>Losses of the last validation, or of the last step where there is none.</returns>
    public LossValues Run(ProgressOptions progressOptions)
    {
        Directory.CreateDirectory(folder);
        TrainingCheckpoint.TryRestore(CheckpointPath, trainer, identity);
        using var metrics = MetricsWriter.Open(Path.Combine(folder, "metrics.jsonl"), trainer.Steps + 1);
        using var progress = new ProgressReporter(
            Console.Error, progressOptions with { Total = trainer.TotalSteps, Done = trainer.Steps, Unit = "steps" });
        double smoothed = double.NaN;
        int first = trainer.Steps + 1;
        Console.Error.WriteLine($"memory: planned {trainer.Memory}");
        var last = default(LossValues);
        while (trainer.Steps < trainer.TotalSteps)
        {
            var report = trainer.Step();
            last = report.Loss;
            double total = last.Total(trainer.Weights);
            smoothed = double.IsNaN(smoothed) ? total : smoothed + ((total - smoothed) / SmoothingSteps);
            if (IsDue(report.Step, intervals.LogEvery))
            {
                Log(metrics, report);
            }

            if (report.Step == first || report.Step == trainer.TotalSteps)
            {
                foreach (string line in trainer.Memory.DescribeUse(trainer.Arenas))
                {
                    Console.Error.WriteLine(line);
                }
            }

            progress.Report(report.Step, $"loss {smoothed:F4}, lr {report.LearningRate:E2}");
            if (IsDue(report.Step, intervals.ValidateEvery) && Validation.Count > 0)
            {
                last = Validate(metrics, report.Step);
            }

            if (IsDue(report.Step, intervals.CheckpointEvery))
            {
                TrainingCheckpoint.Save(CheckpointPath, trainer, identity);
            }
        }

        // A run that was complete already has nothing left to do but to say how it stands.
        return last.Weight == 0 && Validation.Count > 0 ? trainer.Validate(Validation) : last;
    }

    private bool IsDue(int step, int every) => (every > 0 && step % every == 0) || step == trainer.TotalSteps;

    private LossValues Validate(MetricsWriter metrics, int step)
    {
        var loss = trainer.Validate(Validation);
        metrics.Write(
            step, ("validation.cross_entropy", loss.CrossEntropy), ("validation.divergence", loss.Divergence),
            ("validation.cosine", loss.Cosine));
        OnValidation?.Invoke(step, loss);
        return loss;
    }

    private static void Log(MetricsWriter metrics, StepReport report) => metrics.Write(
        report.Step, ("cross_entropy", report.Loss.CrossEntropy), ("divergence", report.Loss.Divergence),
        ("cosine", report.Loss.Cosine), ("gradient_norm", report.GradientNorm), ("learning_rate", report.LearningRate),
        ("tokens", report.Tokens));
}
