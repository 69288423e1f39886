using System.Text;
using Tessera.Devices;
using Tessera.Inference.Chat;

namespace Tessera.Inference.Tests.Chat;

public sealed class ReasoningSplitterTests
{
    [Theory]
    [InlineData("<think>why</think>because", "why", "because")]
    [InlineData(" \n<think>\nwhy\n</think>\n\nbecause", "\nwhy\n", "\n\nbecause")]
    [InlineData("<think></think>132", "", "132")]
    [InlineData("<think>never closed </thin", "never closed </thin", "")]
    [InlineData("<think>", "", "")]
    [InlineData("132", "", "132")]
    [InlineData("", "", "")]
    [InlineData("  132", "", "  132")]
    [InlineData(" \n ", "", " \n ")]
    [InlineData("<thin", "", "<thin")]
    [InlineData("<thinking>no tag", "", "<thinking>no tag")]
    [InlineData("so <think>late</think>", "", "so <think>late</think>")]
    [InlineData("</think>132", "", "</think>132")]
    [InlineData("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d")]
    [InlineData("<think>a<think>b</think>c", "a<think>b", "c")]
    [InlineData("<think>a < b </ </thi</think>c", "a < b </ </thi", "c")]
    [InlineData("<<think>a", "", "<<think>a")]
    public void Output_is_reasoning_only_from_an_open_tag_at_its_beginning_to_the_first_close_tag(string text, string reasoning, string content) =>
        Assert.Equal((reasoning, content), Split(text, [text.Length]));

    [Theory]
    [InlineData("why</think>132", "why", "132")]
    [InlineData("why", "why", "")]
    [InlineData("<think>why</think>132", "<think>why", "132")]
    public void Behind_a_prompt_that_has_opened_it_output_begins_inside(string text, string reasoning, string content) =>
        Assert.Equal((reasoning, content), Split(text, [text.Length], startsInside: true));

    [Fact]
    public void However_a_text_is_cut_its_parts_are_the_same_and_nothing_is_lost_or_told_twice()
    {
        string[] pieces = ["<think>", "</think>", "<", "/", "think", ">", "</", "<thi", "nk>", "</thin", " ", "\n", "a", "7+5", "😀"];
        var random = new CounterRandom(3, 1);
        for (int trial = 0; trial < 4000; trial++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(9)).Select(_ => pieces[random.Next(pieces.Length)]));
            if (trial % 2 == 0)
            {
                text = "<think>" + text;
            }

            var whole = Split(text, [text.Length]);
            Assert.Equal(whole, Split(text, Cuts(text.Length, random)));
            Assert.Equal(whole, Split(text, Enumerable.Repeat(1, text.Length)));
            bool isReasoned = text.TrimStart().StartsWith("<think>", StringComparison.Ordinal);
            string close = isReasoned && text.Contains("</think>", StringComparison.Ordinal) ? "</think>" : "";
            Assert.Equal(
                isReasoned ? text.TrimStart() : text,
                (isReasoned ? "<think>" : "") + whole.Reasoning + close + whole.Content);
        }
    }

    [Fact]
    public void What_cannot_become_a_tag_is_told_at_once()
    {
        var splitter = new ReasoningSplitter();
        Assert.Equal(OutputPart.Undecided, splitter.Part);
        Assert.True(splitter.Append(" <thi").IsEmpty);
        Assert.Equal("x", splitter.Append("nk>x").Reasoning);
        Assert.Equal(OutputPart.Reasoning, splitter.Part);
        Assert.Equal("y", splitter.Append("y</th").Reasoning);
        Assert.Equal("</thz", splitter.Append("z").Reasoning);
        var both = splitter.Append("!</think>12");
        Assert.Equal(new SplitText("!", "12"), both);
        Assert.Equal("</think>", splitter.Append("</think>").Content);
        Assert.True(splitter.Flush().IsEmpty);
    }

    private static IEnumerable<int> Cuts(int length, CounterRandom random)
    {
        for (int left = length; left > 0;)
        {
            int cut = 1 + random.Next(Math.Min(left, 6));
            left -= cut;
            yield return cut;
        }
    }

    private static (string Reasoning, string Content) Split(string text, IEnumerable<int> cuts, bool startsInside = false)
    {
        var splitter = new ReasoningSplitter(startsInside);
        var reasoning = new StringBuilder();
        var content = new StringBuilder();
        int at = 0;
        foreach (int cut in cuts)
        {
            Add(splitter.Append(text.Substring(at, cut)));
            at += cut;
        }

        Assert.Equal(text.Length, at);
        Add(splitter.Flush());
        return (reasoning.ToString(), content.ToString());

        void Add(SplitText part)
        {
            reasoning.Append(part.Reasoning);
            content.Append(part.Content);
        }
    }
}
