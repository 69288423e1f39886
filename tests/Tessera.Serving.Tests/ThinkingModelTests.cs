using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.TestSupport;

namespace Tessera.Serving.Tests;

/// <summary>The bundled model that has learned to think, over HTTP and as <see cref="IChatClient"/>.</summary>
public sealed class ThinkingModelTests : IAsyncLifetime
{
    // Sums of two numbers, which the model nearly always gets right; which one it misses may differ between instruction sets.
    private static readonly string[] Questions = ["47+85", "12+34", "305+72", "66+66", "81+9", "250+125"];

    private readonly CpuDevice _device = new(2);
    private Decoder _decoder = null!;
    private EngineHost _host = null!;
    private ChatEngine _engine = null!;
    private TesseraServer _server = null!;
    private HttpClient _http = null!;

    private static string Folder => Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-thinking-2.1m");

    public async ValueTask InitializeAsync()
    {
        _decoder = ModelFolder.Load(Folder, DType.F32);
        _host = new EngineHost(new BatchEngine(_device, _decoder, new EngineSettings { MaxRunning = 8 }));
        _engine = new ChatEngine(ChatModel.Read(Folder), _host);
        _server = await TesseraServer.StartAsync(_engine, new ServerSettings { Port = 0 });
        _http = new HttpClient { BaseAddress = _server.Address };
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        _host.Dispose();
        _decoder.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData("reasoning_effort", "high", "none")]
    [InlineData("system", "detailed thinking on", "detailed thinking off")]
    public async Task The_switch_decides_whether_it_reasons_and_reasoning_finds_the_answer(string field, string on, string off)
    {
        int right = 0;
        foreach (string question in Questions)
        {
            var thought = await Ask(question, field, on);
            string reasoning = thought.GetProperty("reasoning_content").GetString()!;
            Assert.Contains(";", reasoning, StringComparison.Ordinal);
            Assert.Equal(reasoning, thought.GetProperty("reasoning").GetString());
            Assert.DoesNotContain("think>", reasoning + thought.GetProperty("content").GetString(), StringComparison.Ordinal);
            right += thought.GetProperty("content").GetString() == Sum(question) ? 1 : 0;

            var plain = await Ask(question, field, off);
            Assert.True(!plain.TryGetProperty("reasoning_content", out var none) || none.ValueKind == System.Text.Json.JsonValueKind.Null);
            Assert.Matches("^[0-9]+$", plain.GetProperty("content").GetString()!);
        }

        Assert.InRange(right, Questions.Length - 1, Questions.Length);
    }

    [Fact]
    public async Task The_chat_client_streams_reasoning_apart_from_the_answer()
    {
        using var client = new TesseraChatClient(_engine);
        var options = new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["reasoning_effort"] = "high" } };
        string reasoning = string.Empty, text = string.Empty;
        ChatMessage[] messages = [new(ChatRole.System, "detailed thinking on"), new(ChatRole.User, "12+34")];
        await foreach (var update in client.GetStreamingResponseAsync(messages, options, TestContext.Current.CancellationToken))
        {
            reasoning += string.Concat(update.Contents.OfType<TextReasoningContent>().Select(part => part.Text));
            text += string.Concat(update.Contents.OfType<TextContent>().Select(part => part.Text));
        }

        Assert.Contains("2+4+0=06;", reasoning, StringComparison.Ordinal);
        Assert.Equal("46", text);
        var whole = await client.GetResponseAsync(messages, options, TestContext.Current.CancellationToken);
        Assert.Equal("46", whole.Text);
        Assert.Equal(reasoning, string.Concat(whole.Messages[^1].Contents.OfType<TextReasoningContent>().Select(part => part.Text)));
    }

    private static string Sum(string question) => $"{question.Split('+').Sum(int.Parse)}";

    private async Task<System.Text.Json.JsonElement> Ask(string question, string field, string value)
    {
        var body = Api.Ask(("temperature", 0), ("max_tokens", 200));
        var messages = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = question });
        if (field == "system")
        {
            messages.Insert(0, new JsonObject { ["role"] = "system", ["content"] = value });
        }
        else
        {
            body[field] = value;
        }

        body["messages"] = messages;
        var reply = await Api.Good(_http, body);
        return reply.GetProperty("choices")[0].GetProperty("message");
    }
}
