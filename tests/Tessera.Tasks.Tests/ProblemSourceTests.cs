namespace Tessera.Tasks.Tests;

public class ProblemSourceTests
{
    [Fact]
    public void The_same_seed_and_index_give_the_same_problem_in_any_order()
    {
        var source = new ProblemSource(ProblemSplit.Training, 42);
        Problem[] forward = [.. source.Stream().Take(300)];
        for (int index = 299; index >= 0; index--)
        {
            Assert.Equal(forward[index], new ProblemSource(ProblemSplit.Training, 42).Create(index));
        }

        Assert.Equal(forward[100..], source.Stream(100).Take(200));
        Assert.Equal(forward[17], ProblemSource.Create(42, 17));
        Assert.NotEqual(forward, new ProblemSource(ProblemSplit.Training, 43).Stream().Take(300));
    }

    // Recorded once: a change of any draw would silently change every training set and evaluation set.
    [Fact]
    public void The_first_problems_of_seed_one_never_change()
    {
        string[] training = [.. new ProblemSource(ProblemSplit.Training, 1).Stream().Take(4).Select(problem => problem.Question)];
        string[] evaluation = [.. new ProblemSource(ProblemSplit.Evaluation, 1).Stream().Take(4).Select(problem => problem.Question)];
        Assert.Equal(["sort(7,2,4)", "sort(88,62,818,286,668)", "max(957,394,90)", "sort(80,69,33,76)"], training);
        Assert.Equal(["34220-1024", "3688+223", "251*3", "59+32-16-73+25"], evaluation);
    }

    [Fact]
    public void Training_and_evaluation_share_no_question_whatever_their_seeds()
    {
        var training = new HashSet<string>();
        var evaluation = new HashSet<string>();
        for (ulong seed = 0; seed < 4; seed++)
        {
            training.UnionWith(new ProblemSource(ProblemSplit.Training, seed).Stream().Take(5000).Select(problem => problem.Question));
            evaluation.UnionWith(new ProblemSource(ProblemSplit.Evaluation, seed).Stream().Take(2000).Select(problem => problem.Question));
        }

        Assert.False(training.Overlaps(evaluation));
        Assert.All(evaluation, question => Assert.True(EvaluationBucket.Contains(question)));
    }

    [Fact]
    public void Every_task_and_level_has_problems_on_both_sides_and_the_smallest_space_is_split_whole()
    {
        foreach (IProblemTask task in TaskCatalog.All)
        {
            for (int level = 1; level <= task.Levels; level++)
            {
                Assert.Equal(level, new ProblemSource(ProblemSplit.Training, 1, [task], [level]).Create(0).Level);
                Assert.Equal(level, new ProblemSource(ProblemSplit.Evaluation, 1, [task], [level]).Create(0).Level);
            }
        }

        IProblemTask multiply = TaskCatalog.Get("multiply");
        int seen = Questions(ProblemSplit.Training).Count, unseen = Questions(ProblemSplit.Evaluation).Count;
        Assert.Equal(100, seen + unseen);
        Assert.InRange(unseen, 2, 15);

        HashSet<string> Questions(ProblemSplit split) =>
            [.. new ProblemSource(split, 3, [multiply], [1]).Stream().Take(3000).Select(problem => problem.Question)];
    }

    [Fact]
    public void One_question_in_sixteen_is_reserved()
    {
        int reserved = 0;
        for (int left = 0; left < 200; left++)
        {
            for (int right = 0; right < 200; right++)
            {
                reserved += EvaluationBucket.Contains($"{left}+{right}") ? 1 : 0;
            }
        }

        // Binomial(40000, 1/16): mean 2500, standard deviation 48.
        Assert.InRange(reserved, 2500 - 240, 2500 + 240);
    }

    [Fact]
    public void Tasks_follow_their_weights_and_levels_are_uniform()
    {
        IProblemTask[] tasks = [TaskCatalog.Get("add"), TaskCatalog.Get("sort")];
        var source = new ProblemSource(ProblemSplit.Training, 8, tasks, [1, 2, 4], [3, 1]);
        Problem[] problems = [.. source.Stream().Take(12_000)];
        Assert.InRange(problems.Count(problem => problem.Task == "add"), 9000 - 250, 9000 + 250);
        foreach (int level in new[] { 1, 2, 4 })
        {
            Assert.InRange(problems.Count(problem => problem.Level == level), 4000 - 260, 4000 + 260);
        }

        Assert.DoesNotContain(problems, problem => problem.Level == 3);
    }

    [Fact]
    public void A_source_that_cannot_be_drawn_from_is_refused()
    {
        IProblemTask[] tasks = [TaskCatalog.Get("add")];
        Assert.Throws<ArgumentException>(() => new ProblemSource(ProblemSplit.Training, 1, []));
        Assert.Throws<ArgumentException>(() => new ProblemSource(ProblemSplit.Training, 1, tasks, [7]));
        Assert.Throws<ArgumentException>(() => new ProblemSource(ProblemSplit.Training, 1, tasks, null, [1, 2]));
        Assert.Throws<ArgumentException>(() => new ProblemSource(ProblemSplit.Training, 1, tasks, null, [0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProblemSource(ProblemSplit.Training, 1).Create(-1));
    }
}
