using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Tests.Scoring;

/// <summary>Tables of scores that jobs leave, and those of versions that knew the divergence alone.</summary>
public sealed class ScoreTableTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-scores-").FullName;
    private readonly SmallParent _small = SmallParent.Of(
        new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(48)), new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(48)));

    [Fact]
    public void Every_kind_is_recorded_and_records_without_it_are_made_again_only_where_it_is_asked_for()
    {
        using var states = _small.States(4);
        var all = Compute(states, ScoreKind.Hidden);
        var variant = all.Variants[1][2];
        Assert.Equal(all.Table.All(1, variant).Hidden, all.Table.Score(1, variant));
        Assert.True(all.Table.Score(1, variant).Mean > 0 && all.Table.All(1, variant).LmLoss is not null);
        Assert.Equal(default, all.Table.Score(1, all.Variants[1][0]));
        Assert.Equal(all.Table.All(1, variant), Compute(states, ScoreKind.Divergence).Table.All(1, variant));

        // As an older version left them.
        using (var jobs = JobFolder.Open(JobsPath))
        {
            foreach (string job in jobs.Done())
            {
                var record = jobs.Read(job);
                jobs.Discard(job);
                jobs.TryClaim(job)!.Complete(new JobRecord([], [.. record.Values.Select(pair => KeyValuePair.Create(pair.Key, pair.Value[..3]))]));
            }
        }

        var old = Compute(states, ScoreKind.Divergence);
        Assert.Equal((0, all.Table.All(1, variant).Divergence), (old.Table.OwnJobs, old.Table.Score(1, variant)));
        Assert.Null(old.Table.All(1, variant).LmLoss);
        var again = Compute(states, ScoreKind.LmLoss);
        Assert.Equal((2, all.Table.All(1, variant)), (again.Table.OwnJobs, again.Table.All(1, variant)));
    }

    [Theory]
    [InlineData("perplexity")]
    [InlineData("task:")]
    public void A_kind_that_there_is_not_is_refused(string text) => Assert.Equal(
        $"--score {text}: expected kl, lm-loss, hidden or task:NAME", Assert.Throws<ArgumentException>(() => ScoreKind.Parse(text, "--score")).Message);

    public void Dispose()
    {
        _small.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string JobsPath => Path.Combine(_folder, "scores", "jobs");

    private (ScoreTable Table, IReadOnlyList<IReadOnlyList<BlockVariant>> Variants) Compute(SmallStates small, ScoreKind kind)
    {
        var parts = small.Parts;
        using var libraryJobs = JobFolder.Open(Path.Combine(_folder, "library", "jobs"));
        using (var calibration = new ParentStates(_small.Device, parts, small.Steps, libraryJobs, forDistillation: true))
        {
            new LibraryBuilder(_small.Device, calibration, new BlockDistillationSettings(0, 1e-3), libraryJobs).Run(_ => { });
        }

        using var jobs = JobFolder.Open(JobsPath);
        using var states = new ParentStates(_small.Device, parts, small.Steps, jobs, forDistillation: false);
        IReadOnlyList<IReadOnlyList<BlockVariant>> variants = [.. _small.Configuration.Layers.Select(VariantGrid.Blocks)];
        var plan = new ScorePlan(_small.Device, states, new BlockLibrary(_small.Device, parts, libraryJobs), variants, StreamingMemory.Least) { Kind = kind };
        return (ScoreTable.Compute(plan, jobs, _ => { }), variants);
    }
}
