namespace Tessera.Tasks.Tests;

public class TaskTests
{
    private const int Draws = 1000;

    public static TheoryData<string, int> EveryLevel
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (IProblemTask task in TaskCatalog.All)
            {
                for (int level = 1; level <= task.Levels; level++)
                {
                    data.Add(task.Name, level);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(EveryLevel))]
    public void Answers_equal_an_independent_computation_and_verify(string name, int level)
    {
        IProblemTask task = TaskCatalog.Get(name);
        foreach (Problem problem in Draw(name, level))
        {
            Assert.Equal((name, level), (problem.Task, problem.Level));
            Assert.Equal(Oracle.Answer(problem), problem.Answer);
            Assert.True(task.Verify(problem, problem.Answer));
            Assert.True(task.Verify(problem, AnswerExtractor.Extract(problem.Completion)!));
        }
    }

    [Theory]
    [MemberData(nameof(EveryLevel))]
    public void Wrong_answers_are_rejected(string name, int level)
    {
        IProblemTask task = TaskCatalog.Get(name);
        foreach (Problem problem in Draw(name, level).Take(200))
        {
            string answer = problem.Answer;
            string[] wrong =
                [string.Empty, "0" + answer, "+" + answer, "-" + answer, answer + ",0", answer + "0", answer + ".0", answer[..^1], "x"];
            Assert.All(wrong, text => Assert.False(task.Verify(problem, text), $"{problem.Question}: accepted '{text}'"));
            if (name == "sort")
            {
                Assert.False(task.Verify(problem, string.Join(',', answer.Split(',').Reverse())));
                Assert.True(task.Verify(problem, " " + answer.Replace(",", " , ", StringComparison.Ordinal) + "\t"));
            }
            else
            {
                Assert.False(task.Verify(problem, (Oracle.Number(answer) + 1).ToString()));
                Assert.True(task.Verify(problem, $" {answer} "));
            }
        }
    }

    [Theory]
    [MemberData(nameof(EveryLevel))]
    public void Every_step_of_the_reasoning_is_true(string name, int level)
    {
        foreach (Problem problem in Draw(name, level))
        {
            Assert.EndsWith(";", problem.Reasoning, StringComparison.Ordinal);
            string[] steps = problem.Reasoning[..^1].Split(';');
            Assert.All(steps, step => Assert.True(StepHolds(name, step), $"{problem.Question}: '{step}'"));
            Assert.Equal(problem.Answer, AnswerOf(problem, steps));
        }
    }

    [Theory]
    [MemberData(nameof(EveryLevel))]
    public void Texts_are_short_and_have_the_canonical_form(string name, int level)
    {
        foreach (Problem problem in Draw(name, level))
        {
            // Every character as a token of its own is the worst that a tokenizer can do.
            Assert.InRange(problem.Reasoning.Length, 1, 68);
            Assert.InRange(problem.ToText().Length, 1, 120);
            Assert.True(char.IsAsciiDigit(problem.Completion[0]));
            Assert.Equal($"Q:{problem.Question}\nA:{problem.Reasoning}\n#### {problem.Answer}\n", problem.ToText());
            Assert.DoesNotContain(problem.ToText(), character => character > '~' || (character < ' ' && character != '\n'));
        }
    }

    [Theory]
    [InlineData("add", 1, 0, 198)]
    [InlineData("add", 4, 2000, 199_998)]
    [InlineData("subtract", 2, 0, 989)]
    [InlineData("subtract", 3, -9899, 9899)]
    [InlineData("multiply", 4, 100, 9801)]
    [InlineData("chain", 4, 0, 99)]
    public void Answers_stay_in_the_range_of_their_level(string name, int level, int lowest, int highest)
    {
        int[] answers = [.. Draw(name, level).Select(problem => (int)Oracle.Number(problem.Answer))];
        Assert.All(answers, answer => Assert.InRange(answer, lowest, highest));
        Assert.Equal(lowest < 0, answers.Any(answer => answer < 0));
        Assert.True(answers.Distinct().Count() > 60);
    }

    [Theory]
    [InlineData("add", "47+85", "7+5+0=12;4+8+1=13;", "132")]
    [InlineData("subtract", "13-8", "13>8;13-8-0=5;01-0-1=0;", "5")]
    [InlineData("multiply", "7*8", "7*8+0=56;", "56")]
    [InlineData("chain", "7+5-3", "7+5=12;12-3=9;", "9")]
    [InlineData("compare", "max(47,85)", "47<85:85;", "85")]
    [InlineData("sort", "sort(7,15,2)", "2:7,15;7:15;", "2,7,15")]
    public void Known_questions_get_the_documented_reasoning(string name, string question, string reasoning, string answer)
    {
        IProblemTask task = TaskCatalog.Get(name);
        var random = new TaskRandom(5);
        for (int draw = 0; draw < 2_000_000; draw++)
        {
            Problem problem = task.Create(1, ref random);
            if (problem.Question == question)
            {
                Assert.Equal((reasoning, answer), (problem.Reasoning, problem.Answer));
                return;
            }
        }

        Assert.Fail($"{question} was never drawn");
    }

    [Fact]
    public void A_level_or_a_name_that_does_not_exist_is_refused_in_one_sentence()
    {
        var random = new TaskRandom(1);
        Assert.All(TaskCatalog.All, task =>
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => task.Create(0, ref random));
            Assert.Throws<ArgumentOutOfRangeException>(() => task.Create(task.Levels + 1, ref random));
        });
        var unknown = Assert.Throws<ArgumentException>(() => TaskCatalog.Get("divide"));
        Assert.Contains("add, subtract", unknown.Message, StringComparison.Ordinal);
    }

    private static List<Problem> Draw(string name, int level)
    {
        IProblemTask task = TaskCatalog.Get(name);
        var random = new TaskRandom(99, (ulong)level);
        var problems = new List<Problem>(Draws);
        for (int i = 0; i < Draws; i++)
        {
            problems.Add(task.Create(level, ref random));
        }

        return problems;
    }

    private static bool StepHolds(string name, string step)
    {
        string[] parts = step.Split(':');
        return name switch
        {
            "compare" => OrderHolds(parts[0]) && parts[0].Split('<', '>').Contains(parts[1]),
            "sort" => parts[1].Split(',').All(rest => Oracle.Number(parts[0]) < Oracle.Number(rest)),
            "subtract" when step.Contains('<') || step.Contains('>') => OrderHolds(step),
            _ => Oracle.Holds(step),
        };
    }

    private static bool OrderHolds(string step)
    {
        string[] sides = step.Split('<', '>');
        int order = Oracle.Number(sides[0]).CompareTo(Oracle.Number(sides[1]));
        return step.Contains('<') ? order < 0 : order > 0;
    }

    /// <summary>What a reader who sees only the steps (and for the sign and the lowest digit, their first) would answer.</summary>
    private static string AnswerOf(Problem problem, string[] steps)
    {
        switch (problem.Task)
        {
            case "compare":
                return steps[^1].Split(':')[1];
            case "sort":
                return string.Join(',', steps.Select(step => step.Split(':')[0]).Append(steps[^1].Split(':')[1]));
            case "chain":
                return steps[^1].Split('=')[^1];
            case "subtract":
                string size = Digits(steps[1..]);
                return steps[0].Contains('<') ? "-" + size : size;
            case "multiply" when problem.Level == 4:
                return Oracle.Number(Digits(steps[4..]) + steps[0][^1]).ToString();
            default:
                return Digits(steps);
        }
    }

    /// <summary>The columns' last digits from the last to the first, with the whole result of the last column in front.</summary>
    private static string Digits(string[] columns)
    {
        string text = columns[^1].Split('=')[1] + string.Concat(columns[..^1].Reverse().Select(column => column[^1]));
        return Oracle.Number(text).ToString();
    }
}
