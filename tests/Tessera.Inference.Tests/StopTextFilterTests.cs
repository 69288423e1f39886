namespace Tessera.Inference.Tests;

public sealed class StopTextFilterTests
{
    [Theory]
    [InlineData("abcdef", "cd", "ab")]
    [InlineData("aab", "ab", "a")]
    [InlineData("aaab aab", "aab", "a")]
    [InlineData("ababac!", "abac", "ab")]
    [InlineData("nothing here", "xyz", "nothing here")]
    [InlineData("almost xy", "xyz", "almost xy")]
    [InlineData("stop", "stop", "")]
    public void Whatever_the_pieces_the_text_ends_before_the_stop(string text, string stop, string expected)
    {
        for (int piece = 1; piece <= text.Length; piece++)
        {
            var filter = new StopTextFilter([stop]);
            string shown = string.Concat(text.Chunk(piece).Select(part => filter.Append(new string(part)))) + filter.Flush();

            Assert.Equal(expected, shown);
            Assert.Equal(text.Contains(stop, StringComparison.Ordinal), filter.IsStopped);
        }
    }

    [Fact]
    public void Of_several_stops_the_first_in_the_text_ends_it_and_only_their_beginnings_are_held()
    {
        var filter = new StopTextFilter(["###", "\n\n"]);

        Assert.Equal("a", filter.Append("a#"));
        Assert.Equal("#b", filter.Append("b\n"));
        Assert.Equal("", filter.Append("\nc###"));
        Assert.True(filter.IsStopped);
        Assert.Equal("", filter.Append("more") + filter.Flush());
    }

    [Fact]
    public void An_empty_stop_is_refused() => Assert.Throws<ArgumentException>(() => new StopTextFilter([""]));
}
