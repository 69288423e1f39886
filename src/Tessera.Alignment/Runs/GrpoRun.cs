using Tessera.Alignment.Curriculum;
using Tessera.Alignment.Health;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rollouts;
using Tessera.Runs;
using Tessera.Training.Checkpoints;

namespace Tessera.Alignment.Runs;

/// <summary>How far a step has come.</summary>
public enum GrpoStage
{
    /// <summary>Responses are drawn and judged.</summary>
    Collected,

    /// <summary>The updates are done; nothing of them is on the disk.</summary>
    Learned,

    /// <summary>Metrics and samples are written.</summary>
    Logged,

    /// <summary>The checkpoint is written.</summary>
    Saved,
}

/// <summary>
/// Drives a <see cref="GrpoTrainer"/> along a plan inside a run folder: <c>checkpoint.safetensors</c>, <c>metrics.jsonl</c>,
/// <c>rewards.jsonl</c>, <c>samples.jsonl</c>, <c>curriculum.jsonl</c>.
/// </summary>
/// <remarks>
/// Killed at any moment and started again, it ends with the bits of a run left alone: steps behind the checkpoint are drawn again
/// from the same seeds and the same weights, their rewards are replayed, and rows that were written for them are dropped first.
/// </remarks>
/// <param name="trainer">The trainer.</param>
/// <param name="settings">The trainer's settings.</param>
/// <param name="plan">Prompts of every step.</param>
/// <param name="folder">Where the run's files live.</param>
/// <param name="identity">Hash of everything that decides the run.</param>
public sealed class GrpoRun(
    GrpoTrainer trainer, GrpoSettings settings, IReadOnlyList<PlannedBatch> plan, string folder, string identity)
{
    /// <summary>Seed of all draws.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between checkpoints; the last step always has one.</summary>
    public int CheckpointEvery { get; init; } = 1;

    /// <summary>Limits of the gates.</summary>
    public HealthSettings Health { get; init; } = new();

    /// <summary>Called when a step reaches a stage, if not null.</summary>
    public Action<GrpoStage, int>? OnStage { get; init; }

    /// <summary>File of the run's state.</summary>
    public string CheckpointPath => Path.Combine(folder, "checkpoint.safetensors");

    /// <summary>Runs to the end of the plan.</summary>
    /// <param name="sampler">Draws from the trainer's policy.</param>
    /// <param name="environment">Prompts and verdicts.</param>
    /// <param name="progressOptions">How to show progress.</param>
    /// <returns>Figures of the last step; none where the run was complete already and left none.</returns>
    /// <exception cref="InvalidDataException">A gate stopped the run, or the folder's files do not belong to it.</exception>
    public IReadOnlyDictionary<string, double> Run(
        IResponseSampler sampler, IRolloutEnvironment environment, ProgressOptions progressOptions)
    {
        settings.Validate(plan[0].Prompts.Count);
        Directory.CreateDirectory(folder);
        int done = (int)(TrainingCheckpoint.TryRestore(CheckpointPath, trainer.Optimizer, identity) ?? 0);
        CurriculumFile.Write(Path.Combine(folder, "curriculum.jsonl"), plan);
        string metricsPath = Path.Combine(folder, "metrics.jsonl");
        using var metrics = MetricsWriter.Open(metricsPath, done + 1);
        using var samples = SampleLog.Open(Path.Combine(folder, "samples.jsonl"), done + 1);
        using var rewards = RewardLog.Open(Path.Combine(folder, "rewards.jsonl"), identity);
        using var progress = new ProgressReporter(
            Console.Error, progressOptions with { Total = plan.Count, Done = done, Unit = "steps" });
        var gates = new HealthGates(Health);
        IReadOnlyDictionary<string, double> last = new Dictionary<string, double>();
        foreach (var row in MetricsWriter.Read(metricsPath))
        {
            last = row.Values;
            StopIfIll(gates, row.Step, last);
        }

        Console.Error.WriteLine($"memory: planned {trainer.Memory}");
        int first = done + 1;
        var collector = new RolloutCollector(sampler, environment, rewards);
        for (int step = done + 1; step <= plan.Count; step++)
        {
            last = Step(step, collector, metrics, samples);
            if (step == first || step == plan.Count)
            {
                foreach (string line in trainer.Memory.DescribeUse(trainer.Arenas))
                {
                    Console.Error.WriteLine(line);
                }
            }

            progress.Report(step, StepFigures.Describe(last));
            StopIfIll(gates, step, last);
        }

        return last;
    }

    private Dictionary<string, double> Step(int step, RolloutCollector collector, MetricsWriter metrics, SampleLog samples)
    {
        var planned = plan[step - 1];
        var rollout = collector.Collect(
            step, [.. planned.Prompts.Select(prompt => prompt.Id)], settings.Samples, Seed, settings.Estimator);
        OnStage?.Invoke(GrpoStage.Collected, step);
        var figures = StepFigures.Of(rollout, trainer.Learn(rollout), planned, trainer.Optimizer.Steps);
        OnStage?.Invoke(GrpoStage.Learned, step);
        samples.Write(rollout);
        metrics.Write(step, figures);
        OnStage?.Invoke(GrpoStage.Logged, step);
        if (step == plan.Count || (CheckpointEvery > 0 && step % CheckpointEvery == 0))
        {
            TrainingCheckpoint.Save(CheckpointPath, trainer.Optimizer, step, identity);
            OnStage?.Invoke(GrpoStage.Saved, step);
        }

        return new Dictionary<string, double>(figures);
    }

    private static void StopIfIll(HealthGates gates, long step, IReadOnlyDictionary<string, double> figures)
    {
        if (gates.Observe(StepFigures.Reading(step, figures)) is { } verdict)
        {
            throw new InvalidDataException(verdict.Message);
        }
    }
}
