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

    /// <summary>Further sets that every validation measures; of several the last is the one that patience judges.</summary>
    public IReadOnlyList<ValidationSet> ValidationSets { get; init; } = [];

    /// <summary>Further figures of every validation, under names of their own; null for none.</summary>
    public Func<IEnumerable<(string Name, double Value)>>? Figures { get; init; }

    /// <summary>
    /// Validations of the last phase without a better loss after which the run ends, with the weights of the best; 0 to run to the last step.
    /// </summary>
    public int Patience { get; init; }

    /// <summary>Called after a validation with step and losses.</summary>
    public Action<int, LossValues>? OnValidation { get; init; }

    /// <summary>File of the run's state.</summary>
    public string CheckpointPath => Path.Combine(folder, "checkpoint.safetensors");

    /// <summary>File of the state with the least validation loss, where patience is counted.</summary>
    public string BestPath => Path.Combine(folder, "best.safetensors");

    /// <summary>Runs to the end.</summary>
    /// <returns>Losses of the last validation, or of the last step where there is none.</returns>
    public LossValues Run(ProgressOptions progressOptions)
    {
        Directory.CreateDirectory(folder);
        TrainingCheckpoint.TryRestore(CheckpointPath, trainer, identity);
        string figures = Path.Combine(folder, "metrics.jsonl");
        var stop = new EarlyStop(Validation.Count > 0 ? Patience : 0, trainer.StepsBeforeLastPhase);
        stop.Restore(figures, trainer.Steps);
        using var metrics = MetricsWriter.Open(figures, trainer.Steps + 1);
        using var progress = new ProgressReporter(
            Console.Error, progressOptions with { Total = trainer.TotalSteps, Done = trainer.Steps, Unit = "steps" });
        double smoothed = double.NaN;
        int first = trainer.Steps + 1;
        Console.Error.WriteLine($"memory: planned {trainer.Memory}");
        var last = default(LossValues);
        while (trainer.Steps < trainer.TotalSteps && !stop.IsOver)
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
                last = Validate(metrics, report.Step, stop);
            }

            if (IsDue(report.Step, intervals.CheckpointEvery) || stop.IsOver)
            {
                TrainingCheckpoint.Save(CheckpointPath, trainer, identity);
            }
        }

        if (stop.BestStep > 0 && stop.BestStep < trainer.Steps)
        {
            Console.Error.WriteLine($"the weights of step {stop.BestStep} are kept: {trainer.Steps - stop.BestStep} steps behind it brought no better validation");
            TrainingCheckpoint.TryRestore(BestPath, trainer, identity);
            last = default;
        }

        // A run that was complete already has nothing left to do but to say how it stands.
        return last.Weight == 0 && Validation.Count > 0 ? trainer.Validate(Validation) : last;
    }

    private bool IsDue(int step, int every) => (every > 0 && step % every == 0) || step == trainer.TotalSteps;

    private LossValues Validate(MetricsWriter metrics, int step, EarlyStop stop)
    {
        var loss = trainer.Validate(Validation);
        var judged = loss;
        List<KeyValuePair<string, double>> row = [.. Row(loss, string.Empty)];
        foreach (var set in ValidationSets)
        {
            judged = trainer.Validate(set.Batches);
            row.AddRange(Row(judged, "@" + set.Name));
        }

        row.AddRange(Figures?.Invoke().Select(figure => KeyValuePair.Create(figure.Name, figure.Value)) ?? []);
        if (stop.IsOn)
        {
            row.Add(KeyValuePair.Create(EarlyStop.Figure, judged.Total(trainer.Weights)));
        }

        metrics.Write(step, row);
        if (stop.Add(step, judged.Total(trainer.Weights)))
        {
            // In front of the checkpoint, so that no checkpoint knows of a best that is not there.
            TrainingCheckpoint.Save(BestPath, trainer, identity);
        }

        OnValidation?.Invoke(step, loss);
        return loss;
    }

    private static IEnumerable<KeyValuePair<string, double>> Row(LossValues loss, string suffix) =>
    [
        KeyValuePair.Create("validation.cross_entropy" + suffix, loss.CrossEntropy),
        KeyValuePair.Create("validation.divergence" + suffix, loss.Divergence), KeyValuePair.Create("validation.cosine" + suffix, loss.Cosine),
    ];

    private static void Log(MetricsWriter metrics, StepReport report) => metrics.Write(
        report.Step, ("cross_entropy", report.Loss.CrossEntropy), ("divergence", report.Loss.Divergence),
        ("cosine", report.Loss.Cosine), ("gradient_norm", report.GradientNorm), ("learning_rate", report.LearningRate),
        ("tokens", report.Tokens));
}
