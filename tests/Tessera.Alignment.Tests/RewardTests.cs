using Tessera.Alignment.Rewards;
using Tessera.Tasks;

namespace Tessera.Alignment.Tests;

public class RewardTests
{
    private static readonly Problem Sum = new("add", 1, "47+85", "7+5+0=12;4+8+1=13;", "132");

    [Theory]
    [InlineData("<think>7+5=12;</think>132", 1, 1)]
    [InlineData("<think></think> 132\n", 1, 1)]
    [InlineData("<think>7+5=12;</think>so\n#### 132", 1, 1)]
    [InlineData("<think>#### 132</think>131", 0, 1)]
    [InlineData("<think>7+5=12;</think>131", 0, 1)]
    [InlineData("<think>7+5=12;132", 0, 0)]
    [InlineData("132", 1, 0)]
    [InlineData("7+5</think>132", 1, 0)]
    [InlineData(" <think>7</think>132", 1, 0)]
    [InlineData("<think>7<think>5</think>132", 1, 0)]
    [InlineData("<think>7</think></think>132", 1, 0)]
    [InlineData("</think><think>132", 0, 0)]
    [InlineData("<think>7</think>", 0, 1)]
    [InlineData("<think>7</think>####", 0, 1)]
    [InlineData("", 0, 0)]
    public void Reasoning_on_wants_one_trace_at_the_beginning_and_the_answer_behind_it(string response, double accuracy, double format)
    {
        var reward = ProblemReward.Of(Sum, ThinkingMode.On, response, true, 10, OverlongPenalty.None);
        Assert.Equal((accuracy, format, accuracy * format), (reward.Accuracy, reward.Format, reward.Total));
    }

    [Theory]
    [InlineData("132", 1, 1)]
    [InlineData(" 132 ", 1, 1)]
    [InlineData("7+5+0=12;\n#### 132\n", 1, 1)]
    [InlineData("133", 0, 1)]
    [InlineData("<think>132", 0, 0)]
    [InlineData("</think>\n#### 132", 1, 0)]
    [InlineData("", 0, 1)]
    public void Reasoning_off_wants_no_tag_at_all(string response, double accuracy, double format)
    {
        var reward = ProblemReward.Of(Sum, ThinkingMode.Off, response, true, 10, OverlongPenalty.None);
        Assert.Equal((accuracy, format, accuracy * format), (reward.Accuracy, reward.Format, reward.Total));
    }

    [Fact]
    public void A_response_that_was_cut_off_earns_nothing_but_keeps_its_parts()
    {
        var reward = ProblemReward.Of(Sum, ThinkingMode.Off, "132", false, 10, OverlongPenalty.None);
        Assert.Equal((1.0, 1.0, 0.0), (reward.Accuracy, reward.Format, reward.Total));
    }

    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(12288, 0.0)]
    [InlineData(13312, -0.5)]
    [InlineData(14336, -1.0)]
    public void The_overlong_penalty_has_its_published_values(int length, double expected)
    {
        var penalty = new OverlongPenalty(14336, 2048, 1);
        Assert.Equal(expected, penalty.Of(length), 1e-12);
        Assert.Equal(1 + expected, ProblemReward.Of(Sum, ThinkingMode.Off, "132", true, length, penalty).Total, 1e-12);
        Assert.Equal(0, OverlongPenalty.None.Of(length));
    }
}
