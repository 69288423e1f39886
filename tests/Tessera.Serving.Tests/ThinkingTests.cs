using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Serving.Tests;

/// <summary>The switch and the reasoning of replies, over an engine that says what its prompt asks for.</summary>
public sealed class ThinkingTests(ServedModel model)
{
    private const string Thought = "<think>7+5+0=12;</think>132";

    [Theory]
    [InlineData("detailed thinking on", null, true)]
    [InlineData("detailed thinking off", null, false)]
    [InlineData(null, """{"chat_template_kwargs": {"enable_thinking": true}}""", true)]
    [InlineData(null, """{"chat_template_kwargs": {"enable_thinking": false}}""", false)]
    [InlineData(null, """{"reasoning_effort": "high"}""", true)]
    [InlineData(null, """{"reasoning_effort": "none"}""", false)]
    [InlineData(null, """{"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": false}}""", false)]
    [InlineData("detailed thinking off", """{"reasoning_effort": "high"}""", false)]
    public async Task The_switch_is_the_system_message_or_the_requests_own_fields(string? system, string? fields, bool thinks)
    {
        await using var server = await Scripted.Start(model, prompt => prompt.Contains("detailed thinking on<|user|>", StringComparison.Ordinal) ? Thought
            : prompt.Contains("detailed thinking off<|user|>", StringComparison.Ordinal) ? "132" : throw new InvalidOperationException(prompt));
        var body = Api.Ask([.. JsonNode.Parse(fields ?? "{}")!.AsObject().Select(field => (field.Key, field.Value?.DeepClone()))]);
        if (system is not null)
        {
            body["messages"]!.AsArray().Insert(0, new JsonObject { ["role"] = "system", ["content"] = system });
        }

        var reply = await Api.Good(server.Http, body);
        var message = reply.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal("132", message.GetProperty("content").GetString());
        Assert.Equal("stop", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        foreach (string name in (string[])["reasoning_content", "reasoning"])
        {
            Assert.Equal(thinks, message.TryGetProperty(name, out var reasoning));
            Assert.Equal(thinks ? "7+5+0=12;" : null, thinks ? reasoning.GetString() : null);
        }

        int reasoned = reply.GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32();
        Assert.Equal(thinks ? 11 : 0, reasoned);
    }

    [Fact]
    public async Task Other_system_text_goes_in_front_of_the_users_turn_where_the_system_text_is_the_switch()
    {
        string seen = string.Empty;
        await using var server = await Scripted.Start(model, prompt => seen = prompt);
        var body = Api.Ask(("reasoning_effort", "low"));
        body["messages"]!.AsArray().Insert(0, new JsonObject { ["role"] = "system", ["content"] = "Be brief." });
        await Api.Good(server.Http, body);
        Assert.Equal("<s><|system|>detailed thinking on<|user|>Be brief.\n\n47+85<|assistant|>", seen);
        body.Remove("reasoning_effort");
        await Api.Good(server.Http, body);
        Assert.Equal("<s><|system|>Be brief.<|user|>47+85<|assistant|>", seen);
    }

    [Fact]
    public async Task A_streamed_thought_comes_before_its_answer_under_both_names()
    {
        await using var server = await Scripted.Start(model, _ => Thought);
        var events = await Api.Events(server.Http, Api.Ask(("stream", true)));
        var deltas = events[..^1].Select(data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0].GetProperty("delta")).ToList();
        string[] kinds = [.. deltas.Select(delta => delta.EnumerateObject().Select(field => field.Name).FirstOrDefault("end"))];
        Assert.Equal(["role", .. Enumerable.Repeat("reasoning_content", 9), .. Enumerable.Repeat("content", 3), "end"], kinds);
        Assert.Equal("7+5+0=12;", string.Concat(deltas[1..10].Select(delta => delta.GetProperty("reasoning").GetString())));
        Assert.Equal("7+5+0=12;", string.Concat(deltas[1..10].Select(delta => delta.GetProperty("reasoning_content").GetString())));
        Assert.Equal("132", string.Concat(deltas[10..13].Select(delta => delta.GetProperty("content").GetString())));
    }

    [Fact]
    public async Task Reasoning_can_be_left_out_and_an_unclosed_one_leaves_no_answer()
    {
        await using var server = await Scripted.Start(model, prompt => prompt.Contains("off", StringComparison.Ordinal) ? Thought : "<think>7+5");
        var silent = await Api.Good(server.Http, Api.Ask(("include_reasoning", false), ("reasoning_effort", "none")));
        Assert.DoesNotContain("7+5", silent.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("132", silent.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        var open = await Api.Good(server.Http, Api.Ask());
        var message = open.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
        Assert.Equal("7+5", message.GetProperty("reasoning").GetString());
    }

    [Fact]
    public async Task A_budget_closes_the_thought_of_a_real_engine()
    {
        // The prompt opens the thought itself, so the random model is inside it from its first token.
        var chat = new Inference.Chat.ChatEngine(model.Engine.Model, model.Host);
        int[] prompt = model.Engine.Model.Tokenizer.Encode("<s><|user|>1<|assistant|><think>", addSpecialTokens: false);
        var request = new Inference.Chat.ChatRequest { Messages = [], MaxTokens = 40, ThinkingBudget = 6, Seed = 3, IgnoresEnd = true };
        string reasoning = "", content = "";
        int thought = 0;
        await foreach (var update in chat.StreamAsync(chat.Prepare(prompt, request, splitsReasoning: true), CancellationToken.None))
        {
            reasoning += update.Text.Reasoning;
            content += update.Text.Content;
            thought = update.Usage.Reasoning;
        }

        Assert.Equal(7, thought);
        Assert.NotEmpty(reasoning);
        Assert.NotEmpty(content);
        Assert.DoesNotContain("</think>", reasoning, StringComparison.Ordinal);
    }
}
