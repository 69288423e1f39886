using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// Sums of two numbers, column by column from the right. A step is <c>a+b+c=xy;</c>: two digits, the carry that came in, and
/// always two digits of result, of which x is the next carry and y the digit to keep. Levels 1..4 have level to level+1 digits.
/// </summary>
public sealed class AddTask : IProblemTask
{
    /// <inheritdoc />
    public string Name => "add";

    /// <inheritdoc />
    public int Levels => 4;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        int left = Drawing.Number(ref random, level, level + 1);
        int right = Drawing.Number(ref random, level, level + 1);
        var steps = new StringBuilder();
        int columns = Drawing.Length(Math.Max(left, right));
        for (int place = 0, carry = 0; place < columns; place++)
        {
            carry = AppendColumn(steps, Drawing.Digit(left, place), Drawing.Digit(right, place), carry);
        }

        string answer = (left + right).ToString(CultureInfo.InvariantCulture);
        return new Problem(Name, level, $"{left}+{right}", steps.ToString(), answer);
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);

    /// <summary>Writes one column and returns the carry into the next.</summary>
    internal static int AppendColumn(StringBuilder steps, int left, int right, int carry)
    {
        int sum = left + right + carry;
        steps.Append(CultureInfo.InvariantCulture, $"{left}+{right}+{carry}={sum:00};");
        return sum / 10;
    }
}
