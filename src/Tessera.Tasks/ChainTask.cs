using System.Globalization;
using System.Text;

namespace Tessera.Tasks;

/// <summary>
/// Sums and differences of three to five terms by running totals, which stay in 0..99. Every step is a true <c>a+b=c;</c> or
/// <c>a-b=c;</c>; a term with tens and ones takes two, first its tens: <c>37+40=77;77+8=85;</c>. Levels: 3 and 4 terms up to 9,
/// 4 terms up to 30, 5 terms up to 99.
/// </summary>
public sealed class ChainTask : IProblemTask
{
    private const int LargestTotal = 99;
    private static readonly (int Terms, int Largest)[] ShapeOfLevel = [(3, 9), (4, 9), (4, 30), (5, 99)];

    /// <inheritdoc />
    public string Name => "chain";

    /// <inheritdoc />
    public int Levels => ShapeOfLevel.Length;

    /// <inheritdoc />
    public Problem Create(int level, ref TaskRandom random)
    {
        Drawing.CheckLevel(this, level);
        (int terms, int largest) = ShapeOfLevel[level - 1];
        int total = random.Next(1, largest);
        var question = new StringBuilder(total.ToString(CultureInfo.InvariantCulture));
        var steps = new StringBuilder();
        for (int i = 1; i < terms; i++)
        {
            int term = DrawTerm(ref random, total, largest);
            question.Append(CultureInfo.InvariantCulture, $"{term:+0;-0}");
            AppendTerm(steps, total, term);
            total += term;
        }

        return new Problem(Name, level, question.ToString(), steps.ToString(), total.ToString(CultureInfo.InvariantCulture));
    }

    /// <inheritdoc />
    public bool Verify(Problem problem, string answer) => CanonicalAnswer.Equal(problem.Answer, answer);

    private static int DrawTerm(ref TaskRandom random, int total, int largest)
    {
        while (true)
        {
            int size = random.Next(1, largest);
            int term = random.Next(2) == 0 ? size : -size;
            if (total + term is >= 0 and <= LargestTotal)
            {
                return term;
            }
        }
    }

    private static void AppendTerm(StringBuilder steps, int total, int term)
    {
        int ones = term % 10;
        if (term != ones)
        {
            AppendStep(steps, total, term - ones);
        }

        if (ones != 0)
        {
            AppendStep(steps, total + term - ones, ones);
        }
    }

    private static void AppendStep(StringBuilder steps, int total, int change) =>
        steps.Append(CultureInfo.InvariantCulture, $"{total}{change:+0;-0}={total + change};");
}
