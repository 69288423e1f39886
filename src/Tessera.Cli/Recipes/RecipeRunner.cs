using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>
/// Runs the stages of a recipe in order, each in its own folder. A complete stage is skipped; one that was killed is run again
/// in its folder, where its verb goes on.
/// </summary>
/// <param name="plan">What to run.</param>
/// <param name="verb">Runs a command line and gives its exit code.</param>
/// <param name="clock">Clock of manifests and durations; the system's if null.</param>
internal sealed class RecipeRunner(RecipePlan plan, Func<string[], int> verb, TimeProvider? clock = null)
{
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Runs every stage that is not complete, up to the first that fails.</summary>
    /// <returns>What became of the stages that were reached.</returns>
    /// <exception cref="IOException">Another process is at work in a stage's folder; one sentence.</exception>
    public IReadOnlyList<StageOutcome> Run()
    {
        Directory.CreateDirectory(plan.Output);
        var outcomes = new List<StageOutcome>();
        foreach (var stage in plan.Stages)
        {
            var outcome = Run(stage, $"[{outcomes.Count + 1}/{plan.Stages.Count}] {stage.Name}");
            outcomes.Add(outcome);
            RecipeSummary.Of(plan, outcomes, []).Save();
            if (outcome.Code != 0)
            {
                Console.Error.WriteLine(
                    $"tessera: stage '{stage.Name}' ended with code {outcome.Code}; mend the cause and start the same command again: "
                    + $"complete stages are skipped, and this one goes on in {plan.FolderOf(stage)}");
                break;
            }
        }

        return outcomes;
    }

    private StageOutcome Run(PlannedStage stage, string title)
    {
        var folder = RunFolder.Open(plan.Output, stage.Identity, _clock);
        if (folder.IsComplete)
        {
            return Skip(stage, folder, title);
        }

        using var ownership = folder.Lock();
        if (folder.IsComplete)
        {
            // Another process ended it between the look and the lock.
            return Skip(stage, folder, title);
        }

        if (StageVerbs.StartsAfresh(stage.Verb))
        {
            Empty(folder);
        }

        Console.Error.WriteLine($"{title}: {stage.Identity.Command}");
        long start = _clock.GetTimestamp();
        int code = verb(stage.CommandLine);
        var took = _clock.GetElapsedTime(start);
        if (code == 0)
        {
            folder.MarkComplete(took);
            Console.Error.WriteLine($"{title}: complete after {HumanUnits.FormatDuration(took)}, {plan.FolderOf(stage)}");
        }

        return new StageOutcome(stage, folder.Manifest, took.TotalSeconds, Skipped: false, code);
    }

    private StageOutcome Skip(PlannedStage stage, RunFolder folder, string title)
    {
        string made = folder.Manifest.ToolVersion == stage.Identity.ToolVersion
            ? string.Empty
            : $" (made by version {folder.Manifest.ToolVersion}, this is {stage.Identity.ToolVersion}: remove the folder to make it anew)";
        Console.Error.WriteLine($"{title}: complete already, skipped, {plan.FolderOf(stage)}{made}");
        return new StageOutcome(stage, folder.Manifest, 0, Skipped: true, 0);
    }

    private static void Empty(RunFolder folder)
    {
        foreach (var entry in new DirectoryInfo(folder.FullPath).EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo { LinkTarget: null } inner)
            {
                inner.Delete(recursive: true);
            }
            else if (entry.Name is not (RunFolder.ManifestName or RunFolder.LockName))
            {
                entry.Delete();
            }
        }
    }
}
