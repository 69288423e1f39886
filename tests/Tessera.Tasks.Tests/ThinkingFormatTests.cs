namespace Tessera.Tasks.Tests;

public sealed class ThinkingFormatTests
{
    [Theory]
    [InlineData("<think>1+1=2;</think>2", true)]
    [InlineData("\n <think></think>2", false)]
    [InlineData("<think>a</think>", true)]
    [InlineData("2", false)]
    [InlineData("<think>1+1", false)]
    [InlineData("1</think>2", false)]
    [InlineData("x<think>a</think>2", false)]
    [InlineData("<think>a</think><think>b</think>2", false)]
    [InlineData("<think>a</think>2</think>", false)]
    [InlineData("</think><think>2", false)]
    public void On_asks_for_one_block_at_the_beginning(string completion, bool obeyed) =>
        Assert.Equal(obeyed, ThinkingFormat.IsObeyed(completion, ThinkingMode.On));

    [Theory]
    [InlineData("2", true)]
    [InlineData("", true)]
    [InlineData("think of 2", true)]
    [InlineData("<think>2", false)]
    [InlineData("2</think>", false)]
    [InlineData("<think></think>2", false)]
    public void Off_asks_for_no_tag_at_all(string completion, bool obeyed) =>
        Assert.Equal(obeyed, ThinkingFormat.IsObeyed(completion, ThinkingMode.Off));

    [Theory]
    [InlineData("<think>1+1=2;</think>2", "2")]
    [InlineData("<think>a</think><think>b</think> 3 \n", "3")]
    [InlineData(" 47,85 ", "47,85")]
    [InlineData("1+1=2;\n#### 2\n", "2")]
    [InlineData("<think>#### 9</think>2", "2")]
    [InlineData("<think>a</think>x #### 4\ny", "4")]
    [InlineData("<think>1+1", null)]
    [InlineData("<think>a</think>  ", null)]
    [InlineData("", null)]
    [InlineData("<think>a</think>####", null)]
    public void The_answer_stands_behind_the_reasoning(string completion, string? answer) =>
        Assert.Equal(answer, ThinkingFormat.Answer(completion));
}
