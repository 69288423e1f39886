using System.Text;
using System.Text.Json;
using Tessera.Puzzle.Library;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Scoring;

/// <summary>Scores in the records of jobs, and as lines for people and other programs.</summary>
/// <remarks>
/// Numbers of a variant: mean and standard error of the divergence, documents, then mean and standard error of LM loss and hidden distance, and
/// of the answers where they were scored. Records that end after the third, of a version that knew the divergence alone, are read. A variant
/// that was raced out has an entry of its own under its label with <c>raced out: </c> in front.
/// </remarks>
internal static class ScoreRecords
{
    private const string RacedOut = "raced out: ";
    private const int NumbersOfDivergence = 3;
    private const int NumbersOfText = 7;
    private const int NumbersOfAnswers = 9;

    /// <summary>The record of a job's variants.</summary>
    public static JobRecord Of(IReadOnlyList<BlockVariant> members, IReadOnlyList<BlockScore> scores)
    {
        var values = new List<KeyValuePair<string, double[]>>();
        foreach (var (variant, score) in members.Zip(scores))
        {
            values.Add(KeyValuePair.Create(variant.Label, Numbers(score)));
            if (score.IsRacedOut)
            {
                values.Add(KeyValuePair.Create(RacedOut + variant.Label, (double[])[1]));
            }
        }

        return new JobRecord([], values);
    }

    /// <summary>A variant's score in a record; null where it is not one.</summary>
    public static BlockScore? Find(JobRecord record, BlockVariant variant)
    {
        double[] numbers = record.Numbers(variant.Label);
        if (numbers.Length is not (NumbersOfDivergence or NumbersOfText or NumbersOfAnswers))
        {
            return null;
        }

        Estimate? At(int index) => index < numbers.Length ? new Estimate(numbers[index], numbers[index + 1], (int)numbers[2]) : null;
        return new BlockScore(At(0)!.Value, At(NumbersOfDivergence), At(NumbersOfDivergence + 2))
        {
            Answer = At(NumbersOfText),
            IsRacedOut = record.Numbers(RacedOut + variant.Label).Length > 0,
        };
    }

    /// <summary>One line a score; every process writes the same.</summary>
    public static void Write(string path, IEnumerable<(string Key, BlockScore Score)> scores)
    {
        var text = new StringBuilder();
        foreach (var (key, score) in scores)
        {
            text.Append("{\"key\":").Append(JsonSerializer.Serialize(key, PuzzleJson.Default.String)).Append(",\"value\":").Append(Line(score.Divergence));
            foreach (var (name, estimate) in ((string, Estimate?)[])[("lm-loss", score.LmLoss), ("hidden", score.Hidden), ("answers", score.Answer)])
            {
                if (estimate is { } known)
                {
                    text.Append(",\"").Append(name).Append("\":").Append(Line(known));
                }
            }

            text.Append(score.IsRacedOut ? ",\"raced_out\":true}\n" : "}\n");
        }

        AtomicFile.WriteAllText(path, text.ToString());
    }

    private static double[] Numbers(BlockScore score)
    {
        double[] numbers = [score.Divergence.Mean, score.Divergence.StandardError, score.Divergence.Documents];
        foreach (var estimate in (Estimate?[])[score.LmLoss, score.Hidden, score.Answer])
        {
            numbers = estimate is { } known ? [.. numbers, known.Mean, known.StandardError] : numbers;
        }

        return numbers;
    }

    private static string Line(Estimate score) => JsonSerializer.SerializeToNode(score, PuzzleJson.Default.Estimate)!.ToJsonString();
}
