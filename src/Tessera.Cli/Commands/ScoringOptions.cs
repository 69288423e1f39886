using System.CommandLine;
using System.Globalization;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>How variants are scored, when scoring ends early, and whether it is repeated around the child: options of <c>compress</c>.</summary>
internal sealed class ScoringOptions
{
    private const string Off = "off";
    private const string Automatic = "auto";
    private const int AutomaticRounds = 3;
    private const int MostRounds = 20;

    public Option<string> Score { get; } = new("--score")
    {
        Description = "What the search minimises: kl, lm-loss, hidden (all three are recorded), or task:NAME for lost answers of a generated task.",
        DefaultValueFactory = _ => ScoreKind.Divergence.Name,
    };

    public Option<double> Race { get; } = new("--race")
    {
        Description = "Give a variant up early that is worse than one no dearer by so many standard errors of the paired difference, such as 4; 0 for never.",
    };

    public Option<string> Precision { get; } = new("--score-precision")
    {
        Description = "End a layer's scoring once every standard error is at most this share of its score, such as 5%; 0% for never.",
        DefaultValueFactory = _ => "0%",
    };

    public Option<string> Rescore { get; } = new("--rescore")
    {
        Description = "Rounds of scoring again around the assembled child: a number, off, or auto for up to 3 where scores do not add up.",
        DefaultValueFactory = _ => Off,
    };

    public Option<string> AdditivityLimit { get; } = new("--additivity-limit")
    {
        Description = "Share of the predicted score by which the assembled child's may depart before scores count as not adding up.",
        DefaultValueFactory = _ => "25%",
    };

    public IEnumerable<Option> All => [Score, Race, Precision, Rescore, AdditivityLimit];

    /// <summary>The settings.</summary>
    /// <exception cref="ArgumentException">A value cannot be; one sentence.</exception>
    public ScoringSettings ToSettings(ParseResult result)
    {
        string rescore = result.GetValue(Rescore)!;
        return new ScoringSettings
        {
            Kind = ScoreKind.Parse(result.GetValue(Score)!, Score.Name),
            RaceMargin = OptionChecks.NotNegative(result, Race),
            Precision = Share(result, Precision),
            Rounds = rescore switch
            {
                Off => 0,
                Automatic => AutomaticRounds,
                _ => int.TryParse(rescore, NumberStyles.None, CultureInfo.InvariantCulture, out int rounds) && rounds <= MostRounds
                    ? rounds
                    : throw new ArgumentException($"{Rescore.Name} {rescore}: expected off, auto, or a number of rounds up to {MostRounds}"),
            },
            OnlyWhereAdditivityFails = rescore == Automatic,
            AdditivityLimit = Share(result, AdditivityLimit),
        };
    }

    /// <summary>Says where scores did not add up, and what scoring again found.</summary>
    public static void Report(CompressionResult result)
    {
        foreach (var round in result.Rescoring?.Rounds ?? [])
        {
            var kind = ScoreKind.Parse(round.Kind, "score");
            Console.Error.WriteLine(FormattableString.Invariant(
                $"scoring again, round {round.Round}: {round.Kind} of the child {round.Around.Realised.Of(kind)!.Value.Mean:G4}, {Others(round, kind)}"));
        }

        if (result.Additivity is { Holds: false } check)
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"tessera: scores do not add up here: the search predicted a {check.Kind} of {check.Predicted:G4} (s.e. at most {check.PredictedStandardError:G2}), the assembled child has {check.Realised.Mean:G4} (s.e. {check.Realised.StandardError:G2})")
                + (result.Rescoring is null ? "; --rescore auto scores again around the child" : string.Empty));
        }
    }

    private static double Share(ParseResult result, Option<string> option)
    {
        string text = result.GetValue(option)!;
        double share = HumanUnits.ParseRatio(text, option.Name);
        return share is >= 0 and <= 10 ? share : throw new ArgumentException($"{option.Name} {text}: expected a share from 0% to 1000%");
    }

    private static string Others(RescoringRound round, ScoreKind kind) => round.Candidates.Count == 0
        ? "and nothing else was proposed"
        : FormattableString.Invariant(
            $"of the best of {round.Candidates.Count} others {round.Candidates.Min(other => other.Child.Realised.Of(kind)!.Value.Mean):G4}");
}
