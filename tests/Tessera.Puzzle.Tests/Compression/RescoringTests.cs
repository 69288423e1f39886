using System.Text.Json;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>Other scores than the divergence, and scores taken again around the child.</summary>
public sealed class RescoringTests : IDisposable
{
    private static readonly string[] Targets = ["parameters<=50%"];
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-rescoring-").FullName;

    [Fact]
    public void Rounds_around_the_child_keep_the_best_that_was_assembled_and_are_not_repeated()
    {
        var plain = Run(new ScoringSettings());
        Assert.Null(plain.Rescoring);
        Assert.Equal(plain.Candidates[1].PredictedDivergence, plain.Additivity!.Predicted, 1e-12);
        Assert.Equal(plain.Candidates[1].ScoringDivergence, plain.Additivity.Realised);

        var result = Run(new ScoringSettings { Rounds = 4 });
        var rescoring = result.Rescoring!;
        Assert.Equal(plain.Candidates[1].ScoringDivergence, rescoring.FirstChoice.Realised.Divergence);
        var around = rescoring.FirstChoice;
        Assert.NotEmpty(rescoring.Rounds);
        foreach (var round in rescoring.Rounds)
        {
            Assert.Equal(around.Choice, round.Around.Choice);
            Assert.Equal(
                round.Candidates.Select(candidate => candidate.Child.Realised.Divergence.Mean).Append(Mean(around)).Min(), Mean(round.Best));

            // One layer changed is what was scored, so nothing is left to predict.
            Assert.All(
                round.Candidates.Where(candidate => candidate is { Changed: 1, Name: not "mean of the scores in child and parent" }),
                candidate => Assert.Equal(Mean(candidate.Child), candidate.Predicted, 1e-9));
            Assert.Equal(ReferenceEquals(round, rescoring.Rounds[^1]) && rescoring.Rounds.Count < 4, !round.IsBetter);
            around = round.Best;
        }

        Assert.Contains(rescoring.Rounds.SelectMany(round => round.Candidates), candidate => candidate.Changed == 1);
        Assert.True(rescoring.Rounds[0].IsBetter, "this parent's scores do not add up so well that the first choice is the best");
        Assert.Equal(Mean(around), result.Candidates[1].ScoringDivergence.Mean);
        Assert.Equal(("first choice", plain.Candidates[1].ScoringDivergence), (result.Candidates[^1].Name, result.Candidates[^1].ScoringDivergence));
        Assert.True(result.Candidates[1].ScoringDivergence.Mean < plain.Candidates[1].ScoringDivergence.Mean);
        Assert.All(result.Targets, target => Assert.True(target.IsMet));

        // The result alone is forgotten: the rounds are read from their stages.
        Directory.Delete(Directory.GetDirectories(Path.Combine(_folder, "run"), "result-*").Single(path => File.ReadAllText(Path.Combine(path, "manifest.json")).Contains("rescore", StringComparison.Ordinal)), recursive: true);
        string[] written = [.. Records().Select(path => $"{path} {File.GetLastWriteTimeUtc(path).Ticks}")];
        Assert.Equal(JsonSerializer.Serialize(result), JsonSerializer.Serialize(Run(new ScoringSettings { Rounds = 4 })));
        Assert.Equal(written, Records().Select(path => $"{path} {File.GetLastWriteTimeUtc(path).Ticks}"));
        Assert.Empty(Directory.GetDirectories(Path.Combine(_folder, "run"), "states", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("lm-loss")]
    [InlineData("task:add")]
    public void Another_score_is_minimised_in_the_first_search_and_in_the_rounds(string name)
    {
        var kind = ScoreKind.Parse(name, "--score");
        var result = Run(new ScoringSettings { Kind = kind, Rounds = 1 });
        var tables = SearchTablesReader.Read(Path.Combine(_folder, "run", "tables.json"));
        Assert.Equal(name, tables.ScoreKind);
        Assert.Equal(kind.TaskName is null ? 3 : 4, tables.Layers[0].Variants[1].Scores.Count);
        double Sum(IReadOnlyList<int> choice, string by) => choice.Select((index, layer) => tables.Layers[layer].Variants[index].Scores[by].Score).Sum();
        int[] first = result.Rescoring!.FirstChoice.Choice;
        int[] byDivergence = Run(new ScoringSettings { Rounds = 1 }).Rescoring!.FirstChoice.Choice;
        Assert.True(Sum(first, name) < Sum(byDivergence, name), "the other score chooses otherwise here");
        Assert.Equal(Sum(first, name), result.Rescoring.First.Predicted, 1e-12);
        var round = result.Rescoring.Rounds[0];
        Assert.Equal(
            round.Candidates.Select(candidate => candidate.Child).Append(round.Around).Min(choice => choice.Realised.Of(kind)!.Value.Mean), round.Best.Realised.Of(kind)!.Value.Mean);

        // Text is scored once, whichever of its scores is minimised.
        Assert.Single(Directory.GetDirectories(Path.Combine(_folder, "run"), "scores-*"));
    }

    [Fact]
    public void Rounds_left_to_additivity_run_where_it_fails_and_races_change_scores_and_not_the_rules()
    {
        var tolerant = Run(new ScoringSettings { Rounds = 2, OnlyWhereAdditivityFails = true, AdditivityLimit = 1e6 });
        Assert.True(tolerant.Additivity!.Holds);
        Assert.Empty(tolerant.Rescoring!.Rounds);
        Assert.DoesNotContain(tolerant.Candidates, candidate => candidate.Name == "first choice");
        var raced = Run(new ScoringSettings { Rounds = 1, RaceMargin = 2 });
        Assert.Equal(2, Directory.GetDirectories(Path.Combine(_folder, "run"), "scores-*").Length);
        Assert.All(raced.Rescoring!.Rounds[0].Candidates, candidate => Assert.True(double.IsFinite(candidate.Predicted)));
    }

    [Fact]
    public void Additivity_fails_beyond_the_limit_and_what_the_errors_leave_open()
    {
        static AdditivityCheck Check(double realised) =>
            AdditivityCheck.Of(ScoreKind.Divergence, [new Estimate(0.1, 0.01, 9), new Estimate(0.3, 0.02, 9)], new Estimate(realised, 0.005, 9), 0.25);
        Assert.Equal((0.4, 0.03), (Check(0.5).Predicted, Math.Round(Check(0.5).PredictedStandardError, 12)));
        Assert.Equal(0.25, Check(0.5).Departure, 1e-12);
        Assert.True(Check(0.569).Holds && Check(0.231).Holds);
        Assert.False(Check(0.571).Holds || Check(0.229).Holds);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static double Mean(RealisedChoice choice) => choice.Realised.Divergence.Mean;

    private CompressionResult Run(ScoringSettings scoring) => SmallCompression.Run(_folder, Targets, settings => settings with { Scoring = scoring });

    private IEnumerable<string> Records() =>
        Directory.GetDirectories(Path.Combine(_folder, "run"), "rescore-*").SelectMany(path => Directory.GetFiles(path, "*.json*", SearchOption.AllDirectories))
            .Where(path => Path.GetFileName(path) != "manifest.json").Order();
}
