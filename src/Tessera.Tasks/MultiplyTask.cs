using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// Products by long multiplication: one row of partial products for every digit of the second number, from the right, a step
/// being <c>a*b+c=xy;</c> (digit, digit, carry; x is the next carry and y the digit to keep). With two rows the columns that
/// overlap are then added as in <see cref="AddTask"/>; the lowest digit is the first row's. Levels: 1×1, 2×1, 3×1, 2×2 digits.
/// </summary>
public sealed class MultiplyTask : IProblemTask
{
    private static readonly (int Left, int Right)[] DigitsOfLevel = [(1, 1), (2, 1), (3, 1), (2, 2)];

    /// <inheritdoc />
    public string Name => "multiply";

    /// <inheritdoc />
    public int Levels => DigitsOfLevel.Length;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        (int leftDigits, int rightDigits) = DigitsOfLevel[level - 1];
        int left = Drawing.Number(ref random, leftDigits, leftDigits);
        int right = Drawing.Number(ref random, rightDigits, rightDigits);
        var steps = new StringBuilder();
        AppendRow(steps, left, leftDigits, right % 10);
        if (rightDigits == 2)
        {
            AppendRow(steps, left, leftDigits, right / 10);
            AppendSum(steps, left * (right % 10) / 10, left * (right / 10), leftDigits + 1);
        }

        string answer = (left * right).ToString(CultureInfo.InvariantCulture);
        return new Problem(Name, level, $"{left}*{right}", steps.ToString(), answer);
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);

    private static void AppendRow(StringBuilder steps, int number, int digits, int factor)
    {
        for (int place = 0, carry = 0; place < digits; place++)
        {
            int digit = Drawing.Digit(number, place);
            int product = (digit * factor) + carry;
            steps.Append(CultureInfo.InvariantCulture, $"{digit}*{factor}+{carry}={product:00};");
            carry = product / 10;
        }
    }

    private static void AppendSum(StringBuilder steps, int upper, int lower, int columns)
    {
        for (int place = 0, carry = 0; place < columns; place++)
        {
            carry = AddTask.AppendColumn(steps, Drawing.Digit(upper, place), Drawing.Digit(lower, place), carry);
        }
    }
}
