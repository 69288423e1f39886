// The seed is marked as experimental in the package; servers have it all the same.
#pragma warning disable OPENAI001
using System.ClientModel;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Tessera.Serving.Tests;

/// <summary>OpenAI's own .NET package, as it is published, against a server.</summary>
public sealed class OpenAiPackageTests(ServedModel model)
{
    private readonly ChatClient _client = Client(model.Server.Address, "anything");

    [Fact]
    public async Task A_reply_is_read()
    {
        ChatCompletion reply = await _client.CompleteChatAsync([new UserChatMessage("47+85")], Options());
        Assert.Equal(ChatFinishReason.Length, reply.FinishReason);
        Assert.Equal(ChatMessageRole.Assistant, reply.Role);
        Assert.NotEmpty(Assert.Single(reply.Content).Text);
        Assert.Equal(12, reply.Usage.OutputTokenCount);
        Assert.Equal(reply.Usage.InputTokenCount + 12, reply.Usage.TotalTokenCount);
        Assert.Equal(ServedModel.Name, reply.Model);
        Assert.True(DateTimeOffset.UtcNow - reply.CreatedAt < TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task A_stream_gives_the_same_text_for_the_same_seed()
    {
        ChatMessage[] messages = [new SystemChatMessage("detailed thinking off"), new UserChatMessage("12+30"), new AssistantChatMessage("42"), new UserChatMessage("47+85")];
        ChatCompletion whole = await _client.CompleteChatAsync(messages, Options());
        string text = string.Empty;
        ChatFinishReason? reason = null;
        int tokens = 0;
        await foreach (StreamingChatCompletionUpdate update in _client.CompleteChatStreamingAsync(messages, Options()))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            reason ??= update.FinishReason;
            tokens = update.Usage?.OutputTokenCount ?? tokens;
        }

        Assert.Equal(whole.Content[0].Text, text);
        Assert.Equal(ChatFinishReason.Length, reason);
        Assert.Equal(12, tokens);
    }

    [Fact]
    public async Task Log_probabilities_are_read()
    {
        var options = Options();
        options.IncludeLogProbabilities = true;
        options.TopLogProbabilityCount = 2;
        ChatCompletion reply = await _client.CompleteChatAsync([new UserChatMessage("47+85")], options);
        Assert.Equal(12, reply.ContentTokenLogProbabilities.Count);
        Assert.All(reply.ContentTokenLogProbabilities, token =>
        {
            Assert.True(token.LogProbability <= 0);
            Assert.Equal(2, token.TopLogProbabilities.Count);
        });
    }

    [Fact]
    public async Task A_cancelled_stream_frees_its_pages()
    {
        var options = Options();
        options.MaxOutputTokenCount = 2000;
        using var cancellation = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in _client.CompleteChatStreamingAsync([new UserChatMessage("1")], options, cancellation.Token))
            {
                await cancellation.CancelAsync();
            }
        });
        await model.AllPagesFree();
    }

    [Fact]
    public async Task Errors_have_their_status_and_their_sentence()
    {
        var unknown = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(model.Server.Address, "x", "another").CompleteChatAsync([new UserChatMessage("1")]));
        Assert.Equal(404, unknown.Status);
        Assert.Contains("another", unknown.Message, StringComparison.Ordinal);
        var options = Options();
        options.ResponseFormat = ChatResponseFormat.CreateJsonObjectFormat();
        var format = await Assert.ThrowsAsync<ClientResultException>(() => _client.CompleteChatAsync([new UserChatMessage("1")], options));
        Assert.Equal(400, format.Status);
        Assert.Contains("response_format", format.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_opens_the_server()
    {
        await using var server = await Scripted.Start(model, _ => "42", settings: new ServerSettings { Port = 0, ApiKey = "right" });
        var wrong = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(server.Server.Address, "wrong", "scripted-1b").CompleteChatAsync([new UserChatMessage("1")]));
        Assert.Equal(401, wrong.Status);
        ChatCompletion reply = await Client(server.Server.Address, "right", "scripted-1b").CompleteChatAsync([new UserChatMessage("1")]);
        Assert.Equal("42", reply.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, reply.FinishReason);
    }

    [Fact]
    public async Task Models_are_listed()
    {
        var models = new OpenAIModelClient(new ApiKeyCredential("x"), Options(model.Server.Address));
        OpenAIModelCollection list = await models.GetModelsAsync();
        Assert.Equal(ServedModel.Name, Assert.Single(list).Id);
    }

    private static ChatCompletionOptions Options() => new() { MaxOutputTokenCount = 12, Seed = 11, Temperature = 0.9f, TopP = 0.95f };

    private static OpenAIClientOptions Options(Uri address) => new() { Endpoint = new Uri(address, "/v1") };

    private static ChatClient Client(Uri address, string key, string name = ServedModel.Name) =>
        new(name, new ApiKeyCredential(key), Options(address));
}
