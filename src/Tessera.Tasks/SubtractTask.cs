using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// Differences of two numbers. First the two are compared (<c>47&lt;85;</c>), then the smaller is taken from the larger column by
/// column from the right. A step is <c>xa-b-c=d;</c>: x is 1 where ten must be borrowed, which is the c of the next column.
/// Levels 1..4 have level to level+1 digits; in levels 1 and 2 the first number is not the smaller one.
/// </summary>
public sealed class SubtractTask : IProblemTask
{
    private const int FirstLevelWithNegatives = 3;

    /// <inheritdoc />
    public string Name => "subtract";

    /// <inheritdoc />
    public int Levels => 4;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        int left = Drawing.Number(ref random, level, level + 1);
        int right = Drawing.Number(ref random, level, level + 1);
        if (level < FirstLevelWithNegatives && left < right)
        {
            (left, right) = (right, left);
        }

        var steps = new StringBuilder();
        steps.Append(CultureInfo.InvariantCulture, $"{left}{CompareTask.Sign(left, right)}{right};");
        AppendColumns(steps, Math.Max(left, right), Math.Min(left, right));
        string answer = (left - right).ToString(CultureInfo.InvariantCulture);
        return new Problem(Name, level, $"{left}-{right}", steps.ToString(), answer);
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);

    private static void AppendColumns(StringBuilder steps, int larger, int smaller)
    {
        int columns = Drawing.Length(larger);
        for (int place = 0, borrow = 0; place < columns; place++)
        {
            int top = Drawing.Digit(larger, place);
            int bottom = Drawing.Digit(smaller, place);
            int next = top < bottom + borrow ? 1 : 0;
            steps.Append(CultureInfo.InvariantCulture, $"{next}{top}-{bottom}-{borrow}={(10 * next) + top - bottom - borrow};");
            borrow = next;
        }
    }
}
