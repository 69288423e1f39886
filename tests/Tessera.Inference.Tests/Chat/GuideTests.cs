using Tessera.Inference.Chat;
using Tessera.Models.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Inference.Tests.Chat;

public sealed class GuideTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(
        Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-4.8m"));

    private static readonly int[] Prompt = Ids("<s><|system|><|user|>1+1<|assistant|>");
    private static readonly int Open = Tokenizer.TokenId("<think>")!.Value;
    private static readonly int Close = Tokenizer.TokenId("</think>")!.Value;

    [Theory]
    [InlineData(0, "<think>")]
    [InlineData(1, "<think>1")]
    [InlineData(4, "<think>1234")]
    public void Reasoning_is_closed_behind_the_budgets_last_token_and_only_once(int budget, string before)
    {
        var guide = new ThinkingBudget(Tokenizer, Prompt, budget);
        int[] ids = Ids(before);
        foreach (int id in ids[..^1])
        {
            Assert.Equal(default, guide.Observe(id));
        }

        Assert.Equal([Close], guide.Observe(ids[^1]).Forced!);
        Assert.Equal(default, guide.Observe(Close));
        Assert.All(Ids("132<think>123456"), id => Assert.Equal(default, guide.Observe(id)));
    }

    [Theory]
    [InlineData("12345678", 3)]
    [InlineData("<think>123</think>456789", 4)]
    [InlineData("1<think>2345678", 3)]
    public void A_reply_that_never_thinks_or_closes_in_time_is_not_touched(string text, int budget)
    {
        var guide = new ThinkingBudget(Tokenizer, Prompt, budget);
        Assert.All(Ids(text), id => Assert.Equal(default, guide.Observe(id)));
    }

    [Fact]
    public void Tags_of_several_tokens_are_told_by_their_text_and_closed_with_their_tokens()
    {
        var guide = new ThinkingBudget(Tokenizer, Prompt, 2);
        int[] spelled = Tokenizer.Encode("<think>ab", addSpecialTokens: false, parseSpecial: false);
        Assert.True(spelled.Length > 3);
        var verdicts = spelled.Select(guide.Observe).ToArray();
        Assert.All(verdicts[..^1], verdict => Assert.Null(verdict.Forced));
        Assert.Equal([Close], verdicts[^1].Forced!);
    }

    [Fact]
    public void A_prompt_that_opens_the_reasoning_counts_from_its_first_token()
    {
        var guide = new ThinkingBudget(Tokenizer, [.. Prompt, Open], 2);
        Assert.Null(guide.Observe(Ids("7")[0]).Forced);
        Assert.Equal([Close], guide.Observe(Ids("8")[0]).Forced!);
    }

    [Fact]
    public void A_stop_text_ends_the_sequence_with_the_token_that_completes_it()
    {
        var guide = new StopTexts(Tokenizer, Prompt, ["45;", "</think>9"]);
        bool[] ends = [.. Ids("3445").Select(id => guide.Observe(id).Ends)];
        Assert.DoesNotContain(true, ends);
        Assert.True(guide.Observe(Ids(";")[0]).Ends);

        var tagged = new StopTexts(Tokenizer, Prompt, ["</think>9"]);
        Assert.False(tagged.Observe(Open).Ends);
        Assert.False(tagged.Observe(Close).Ends);
        Assert.True(tagged.Observe(Ids("9")[0]).Ends);
    }

    [Fact]
    public void A_chain_ends_where_one_ends_and_obeys_the_first_that_forces()
    {
        var chain = new GuideChain([new StopTexts(Tokenizer, Prompt, ["9"]), new ThinkingBudget(Tokenizer, Prompt, 1)]);
        Assert.Equal(default, chain.Observe(Open));
        Assert.Equal([Close], chain.Observe(Ids("1")[0]).Forced!);
        Assert.True(chain.Observe(Ids("9")[0]).Ends);
    }

    [Fact]
    public void The_text_of_a_reply_is_split_counted_and_cut_at_its_stop()
    {
        var reply = new ReplyText(Tokenizer, Prompt, ["stop"]);
        string reasoning = "", content = "";
        foreach (int id in Ids("<think>7+5</think>12 stop it"))
        {
            var piece = reply.Append(id);
            reasoning += piece.Reasoning;
            content += piece.Content;
        }

        var rest = reply.End();
        Assert.Equal(("7+5", "12 "), (reasoning + rest.Reasoning, content + rest.Content));
        Assert.Equal(5, reply.ReasoningTokens);
        Assert.True(reply.IsStopped);
    }

    [Fact]
    public void Characters_of_several_tokens_come_whole()
    {
        var reply = new ReplyText(Tokenizer, Prompt, []);
        int[] ids = Tokenizer.Encode("é😀", addSpecialTokens: false);
        Assert.Equal(6, ids.Length);
        string[] pieces = [.. ids.Select(id => reply.Append(id).Content)];
        Assert.Equal(["", "é", "", "", "", "😀"], pieces);
        Assert.True(reply.End().IsEmpty);
    }

    private static int[] Ids(string text) => Tokenizer.Encode(text, addSpecialTokens: false);
}
