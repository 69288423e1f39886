namespace Tessera.Tasks.Tests;

public class TaskRandomTests
{
    [Fact]
    public void Bounded_draws_are_uniform_by_chi_square()
    {
        var random = new TaskRandom(3, 4);
        var counts = new int[10];
        for (int i = 0; i < 100_000; i++)
        {
            counts[random.Next(10)]++;
        }

        // 99.99 % quantile of chi-square with 9 degrees of freedom is 33.7.
        Assert.True(counts.Sum(count => Math.Pow(count - 10_000, 2) / 10_000) < 33.7);
    }

    [Fact]
    public void Neighbouring_indices_and_seeds_share_no_draws()
    {
        var seen = new HashSet<ulong>();
        for (ulong seed = 0; seed < 30; seed++)
        {
            for (ulong index = 0; index < 30; index++)
            {
                var random = new TaskRandom(seed, index);
                for (int draw = 0; draw < 10; draw++)
                {
                    Assert.True(seen.Add(random.NextUInt64()));
                }
            }
        }
    }

    [Fact]
    public void Ranges_include_both_ends_and_an_empty_one_is_refused()
    {
        var random = new TaskRandom(1);
        int[] draws = [.. Enumerable.Range(0, 200).Select(_ => random.Next(-1, 1))];
        Assert.Equal([-1, 0, 1], draws.Distinct().Order());
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Next(0));
        Assert.All(Enumerable.Range(0, 1000).Select(_ => random.NextDouble()), value => Assert.True(value is >= 0 and < 1));
    }
}
