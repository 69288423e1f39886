namespace Tessera.Tasks.Tests;

public class AnswerExtractorTests
{
    [Theory]
    [InlineData("7*8+0=56;\n#### 56\n", "56")]
    [InlineData("#### 1\n#### 2", "2")]
    [InlineData("####-7\r\nmore text", "-7")]
    [InlineData("#### 1, 2 ,3  ", "1, 2 ,3")]
    [InlineData("no mark 56", null)]
    [InlineData("####  \n56", null)]
    [InlineData("####", null)]
    [InlineData("", null)]
    public void The_rest_of_the_line_after_the_last_mark_is_the_answer(string completion, string? answer) =>
        Assert.Equal(answer, AnswerExtractor.Extract(completion));
}
