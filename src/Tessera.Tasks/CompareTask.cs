using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// The largest or smallest of two to four different numbers, <c>max(47,85,12)</c>, by a running best: <c>47&lt;85:85;85&gt;12:85;</c>
/// compares it with the next number and repeats the winner. Levels: 2 and 3 numbers of 1–2 digits, 3 of 2–3, 4 of 3–4.
/// </summary>
public sealed class CompareTask : IProblemTask
{
    private static readonly (int Count, int Shortest, int Longest)[] ShapeOfLevel = [(2, 1, 2), (3, 1, 2), (3, 2, 3), (4, 3, 4)];

    /// <inheritdoc />
    public string Name => "compare";

    /// <inheritdoc />
    public int Levels => ShapeOfLevel.Length;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        (int count, int shortest, int longest) = ShapeOfLevel[level - 1];
        bool largest = random.Next(2) == 0;
        List<int> numbers = Drawing.Distinct(ref random, count, shortest, longest);
        var steps = new StringBuilder();
        int best = numbers[0];
        for (int i = 1; i < count; i++)
        {
            int winner = largest ? Math.Max(best, numbers[i]) : Math.Min(best, numbers[i]);
            steps.Append(CultureInfo.InvariantCulture, $"{best}{Sign(best, numbers[i])}{numbers[i]}:{winner};");
            best = winner;
        }

        string question = $"{(largest ? "max" : "min")}({string.Join(',', numbers)})";
        return new Problem(Name, level, question, steps.ToString(), best.ToString(CultureInfo.InvariantCulture));
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);

    /// <summary>The order of two numbers as a sign.</summary>
    internal static char Sign(int left, int right) => left < right ? '<' : left > right ? '>' : '=';
}
