using Tessera.Training.Data;

namespace Tessera.Training.Tests.Data;

public sealed class CounterPermutationTests
{
    [Fact]
    public void Every_number_comes_exactly_once()
    {
        foreach (long count in Enumerable.Range(1, 130).Select(i => (long)i).Concat([255, 256, 257, 1023, 1024, 1025, 4097, 65_537]))
        {
            var order = new CounterPermutation(count, 3, (ulong)count);
            bool[] seen = new bool[count];
            for (long i = 0; i < count; i++)
            {
                long number = order.At(i);
                Assert.InRange(number, 0, count - 1);
                Assert.False(seen[number]);
                seen[number] = true;
            }
        }
    }

    [Fact]
    public void It_is_a_function_of_seed_and_stream_and_differs_between_them()
    {
        long[] Order(ulong seed, ulong stream) => [.. Enumerable.Range(0, 1000).Select(i => new CounterPermutation(1000, seed, stream).At(i))];
        Assert.Equal(Order(1, 2), Order(1, 2));
        Assert.True(Order(1, 2).Zip(Order(1, 3)).Count(pair => pair.First == pair.Second) < 20);
        Assert.True(Order(1, 2).Zip(Order(2, 2)).Count(pair => pair.First == pair.Second) < 20);
    }

    // 20 cells of 500 draws each: chi-square with 19 degrees of freedom is beyond 43.8 once in a thousand.
    [Theory]
    [InlineData(20, 1)]
    [InlineData(1000, 50)]
    public void Every_place_is_equally_likely_for_an_item(long count, long cell)
    {
        int[] cells = new int[20];
        for (ulong seed = 0; seed < 10_000; seed++)
        {
            cells[new CounterPermutation(count, seed, 7).At(3) / cell]++;
        }

        Assert.InRange(cells.Sum(found => (found - 500.0) * (found - 500.0) / 500), 0, 43.8);
    }

    [Fact]
    public void Huge_sets_need_no_memory()
    {
        var order = new CounterPermutation((1L << 52) + 1, 1, 1);
        long[] places = [0, 1, 2, 1L << 40, 1L << 52];
        Assert.Equal(places.Length, places.Select(order.At).Distinct().Count());
        Assert.All(places, place => Assert.InRange(order.At(place), 0, 1L << 52));
        Assert.Throws<ArgumentOutOfRangeException>(() => order.At((1L << 52) + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => order.At(-1));
    }
}
