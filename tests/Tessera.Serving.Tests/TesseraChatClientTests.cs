using Microsoft.Extensions.AI;
using Tessera.Inference.Chat;

namespace Tessera.Serving.Tests;

public sealed class TesseraChatClientTests(ServedModel model)
{
    private readonly IChatClient _client = new TesseraChatClient(model.Engine);

    [Fact]
    public async Task A_reply_has_text_reason_usage_and_model()
    {
        var reply = await _client.GetResponseAsync("47+85", Options());
        Assert.NotEmpty(reply.Text);
        Assert.Equal(ChatFinishReason.Length, reply.FinishReason);
        Assert.Equal(ServedModel.Name, reply.ModelId);
        Assert.Equal(10, reply.Usage!.OutputTokenCount);
        Assert.Equal(reply.Usage.InputTokenCount + 10, reply.Usage.TotalTokenCount);
        Assert.Equal(ChatRole.Assistant, Assert.Single(reply.Messages).Role);
    }

    [Fact]
    public async Task A_stream_and_a_conversation_give_the_text_of_the_whole_reply()
    {
        ChatMessage[] messages = [new(ChatRole.System, "detailed thinking off"), new(ChatRole.User, "1+1"), new(ChatRole.Assistant, "2"), new(ChatRole.User, "3+4")];
        var whole = await _client.GetResponseAsync(messages, Options());
        string text = string.Empty;
        await foreach (var update in _client.GetStreamingResponseAsync(messages, Options()))
        {
            text += update.Text;
        }

        Assert.Equal(whole.Text, text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Thinking_is_switched_and_comes_apart(bool thinks)
    {
        var (chat, _) = ScriptedEngine.Create(
            model, prompt => prompt.Contains("thinking on", StringComparison.Ordinal) ? "<think>why</think>42" : "42", TimeSpan.Zero);
        using var client = new TesseraChatClient(chat);
        foreach (var options in (ChatOptions[])
        [
            new() { Reasoning = new ReasoningOptions { Effort = thinks ? ReasoningEffort.Medium : ReasoningEffort.None } },
            new() { AdditionalProperties = new() { [TesseraChatClient.EnableThinking] = thinks } },
        ])
        {
            var reply = await client.GetResponseAsync("6*7", options);
            Assert.Equal("42", reply.Text);
            var thought = Assert.Single(reply.Messages).Contents.OfType<TextReasoningContent>();
            Assert.Equal(thinks ? ["why"] : [], thought.Select(part => part.Text));
            Assert.Equal(thinks ? 5 : 0, reply.Usage!.ReasoningTokenCount);
            Assert.Equal(ChatFinishReason.Stop, reply.FinishReason);
        }
    }

    [Fact]
    public async Task Cancellation_and_an_abandoned_stream_free_the_pages()
    {
        using var cancellation = new CancellationTokenSource();
        var options = Options();
        options.MaxOutputTokens = 2000;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in _client.GetStreamingResponseAsync("1", options, cancellation.Token))
            {
                await cancellation.CancelAsync();
            }
        });
        await model.AllPagesFree();
        await foreach (var _ in _client.GetStreamingResponseAsync("1", options))
        {
            break;
        }

        await model.AllPagesFree();
    }

    [Fact]
    public async Task What_the_engine_does_not_have_is_refused()
    {
        await Refused(new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] }, "tools");
        await Refused(new ChatOptions { ResponseFormat = ChatResponseFormat.Json }, "constrained output");
        await Refused(new ChatOptions { FrequencyPenalty = 1 }, "penalties");
        await Refused(new ChatOptions { ModelId = "another" }, "model 'another'");
        await Refused(new ChatOptions { AdditionalProperties = new() { [TesseraChatClient.EnableThinking] = "yes" } }, "enable_thinking is yes");
        await Refused(new ChatOptions { Temperature = -1 }, "Temperature is -1");
        var image = new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]);
        await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync([image]));

        async Task Refused(ChatOptions options, string part)
        {
            var error = await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync("1", options));
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Services_are_found_by_their_type()
    {
        Assert.Equal(ServedModel.Name, _client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(model.Engine, _client.GetService<ChatEngine>());
        Assert.Same(_client, _client.GetService<TesseraChatClient>());
        Assert.Null(_client.GetService<string>());
        Assert.Null(_client.GetService(typeof(TesseraChatClient), "key"));
    }

    private static ChatOptions Options() => new() { MaxOutputTokens = 10, Seed = 5, Temperature = 0.8f, TopK = 50, TopP = 0.9f };
}
