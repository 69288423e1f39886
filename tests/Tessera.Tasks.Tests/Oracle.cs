using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Tessera.Tasks.Tests;

/// <summary>Answers computed from the question's text alone, in big integers and LINQ, sharing nothing with the tasks.</summary>
internal static partial class Oracle
{
    public static string Answer(Problem problem)
    {
        BigInteger[] listed = [.. Whole().Matches(problem.Question).Select(match => Number(match.Value))];
        if (problem.Task == "sort")
        {
            return string.Join(',', listed.Order());
        }

        BigInteger value = problem.Task switch
        {
            "multiply" => listed.Aggregate(BigInteger.One, (product, factor) => product * factor),
            "compare" when problem.Question.StartsWith("max(", StringComparison.Ordinal) => listed.Max(),
            "compare" when problem.Question.StartsWith("min(", StringComparison.Ordinal) => listed.Min(),
            _ => Sum(problem.Question),
        };
        return value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The statement of a step: every value between equals signs must be the same.</summary>
    public static bool Holds(string equation)
    {
        BigInteger[] sides = [.. equation.Split('=').Select(Value)];
        return sides.Length > 1 && sides.All(side => side == sides[0]);
    }

    public static BigInteger Number(string text) => BigInteger.Parse(text, CultureInfo.InvariantCulture);

    private static BigInteger Value(string expression)
    {
        int times = expression.IndexOf('*', StringComparison.Ordinal);
        if (times < 0)
        {
            return Sum(expression);
        }

        string[] factorAndCarry = expression[(times + 1)..].Split('+');
        return (Number(expression[..times]) * Number(factorAndCarry[0])) + Number(factorAndCarry[1]);
    }

    private static BigInteger Sum(string expression) =>
        Signed().Matches(expression).Aggregate(BigInteger.Zero, (sum, match) => sum + Number(match.Value));

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Whole();

    [GeneratedRegex("[+-]?[0-9]+")]
    private static partial Regex Signed();
}
