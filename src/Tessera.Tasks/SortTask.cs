using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// Different numbers in ascending order, <c>sort(47,85,12)</c>, by repeated selection: <c>12:47,85;47:85;</c> names the smallest
/// and lists what is left in its old order. Levels: 3 and 4 numbers of 1–2 digits, 5 of 1–3, 6 of 1–2.
/// </summary>
public sealed class SortTask : IProblemTask
{
    private static readonly (int Count, int Longest)[] ShapeOfLevel = [(3, 2), (4, 2), (5, 3), (6, 2)];

    /// <inheritdoc />
    public string Name => "sort";

    /// <inheritdoc />
    public int Levels => ShapeOfLevel.Length;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        (int count, int longest) = ShapeOfLevel[level - 1];
        List<int> numbers = Drawing.Distinct(ref random, count, 1, longest);
        string question = $"sort({string.Join(',', numbers)})";
        var steps = new StringBuilder();
        var sorted = new List<int>(count);
        while (numbers.Count > 1)
        {
            int smallest = numbers.Min();
            numbers.Remove(smallest);
            sorted.Add(smallest);
            steps.Append(CultureInfo.InvariantCulture, $"{smallest}:{string.Join(',', numbers)};");
        }

        sorted.Add(numbers[0]);
        return new Problem(Name, level, question, steps.ToString(), string.Join(',', sorted));
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);
}
