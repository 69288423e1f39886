using System.Text;
using System.Text.Json;

namespace Tessera.Serving.Tests;

public sealed class BadRequestTests(ServedModel model)
{
    private const string User = """{"role": "user", "content": "1"}""";

    /// <summary>Bodies, and the field that the refusal has to name.</summary>
    public static TheoryData<string, string?> Bodies => new()
    {
        { "", null },
        { "[]", null },
        { "null", null },
        { "{", null },
        { "{\"messages\": [" + User + "], }", null },
        { "{\"messages\": [" + User + "], \"messages\": []}", null },
        { "{\"messages\": " + new string('[', 40) + new string(']', 40) + "}", null },
        { "{}", "messages" },
        { """{"messages": null}""", "messages" },
        { """{"messages": []}""", "messages" },
        { """{"messages": "hello"}""", "messages" },
        { """{"messages": [1]}""", "messages[0]" },
        { """{"messages": [{"content": "1"}]}""", "messages[0].role" },
        { """{"messages": [{"role": 1, "content": "1"}]}""", "messages[0].role" },
        { """{"messages": [{"role": "robot", "content": "1"}]}""", "messages[0].role" },
        { """{"messages": [{"role": "user"}]}""", "messages[0].content" },
        { """{"messages": [{"role": "user", "content": 5}]}""", "messages[0].content" },
        { """{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}""", "messages[0].content" },
        { """{"messages": [{"role": "user", "content": [{"type": "text"}]}]}""", "messages[0].content" },
        { """{"messages": [{"role": "user", "content": "\ud800"}]}""", "messages[0].content" },
        { """{"messages": [{"role": "tool", "content": "x"}]}""", "messages" },
        { With("\"model\": \"another\"", 404), "model" },
        { With("\"model\": 5"), "model" },
        { With("\"temperature\": \"hot\""), "temperature" },
        { With("\"temperature\": -1"), "temperature" },
        { With("\"temperature\": 1e999"), "temperature" },
        { With("\"top_p\": 0"), "top_p" },
        { With("\"top_p\": 1.5"), "top_p" },
        { With("\"top_k\": 1.5"), "top_k" },
        { With("\"max_tokens\": 0"), "max_tokens" },
        { With("\"max_tokens\": -5"), "max_tokens" },
        { With("\"max_completion_tokens\": \"5\""), "max_completion_tokens" },
        { With("\"n\": 0"), "n" },
        { With("\"n\": 1000"), "n" },
        { With("\"seed\": 1.5"), "seed" },
        { With("\"seed\": 99999999999999999999"), "seed" },
        { With("\"stop\": \"\""), "stop" },
        { With("\"stop\": [1]"), "stop[0]" },
        { With("\"stop\": {}"), "stop" },
        { With("\"stop_token_ids\": [-1]"), "stop_token_ids[0]" },
        { With("\"stream\": \"yes\""), "stream" },
        { With("\"stream_options\": 1"), "stream_options" },
        { With("\"stream_options\": {\"include_usage\": 1}"), "stream_options.include_usage" },
        { With("\"logprobs\": 1"), "logprobs" },
        { With("\"logprobs\": true, \"top_logprobs\": 21"), "top_logprobs" },
        { With("\"top_logprobs\": 2"), "logprobs" },
        { With("\"chat_template_kwargs\": []"), "chat_template_kwargs" },
        { With("\"chat_template_kwargs\": {\"enable_thinking\": \"yes\"}"), "chat_template_kwargs.enable_thinking" },
        { With("\"reasoning_effort\": \"extreme\""), "reasoning_effort" },
        { With("\"thinking_token_budget\": -1"), "thinking_token_budget" },
        { With("\"tools\": [{\"type\": \"function\"}]"), "tools" },
        { With("\"response_format\": {\"type\": \"json_object\"}"), "response_format" },
        { With("\"frequency_penalty\": 0.5"), "frequency_penalty" },
        { With("\"presence_penalty\": 1"), "presence_penalty" },
        { With("\"logit_bias\": {\"5\": 1}"), "logit_bias" },
        { With("\"repetition_penalty\": 1.1"), "repetition_penalty" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_bad_body_is_refused_with_its_field(string body, string? field)
    {
        int status = body.Contains("another", StringComparison.Ordinal) ? 404 : 400;
        var error = await Api.Refused(model.Http, status, body);
        Assert.Equal(field, error.GetProperty("param").GetString());
        if (field is not null && field != "messages")
        {
            Assert.Contains(field, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_bad_prompt_of_a_completion_is_refused_with_its_field()
    {
        foreach (string body in (string[])["{}", """{"prompt": {}}""", """{"prompt": []}""", """{"prompt": [100000]}""", """{"prompt": ["a"]}"""])
        {
            var error = await Api.Refused(model.Http, 400, body, "/v1/completions");
            Assert.StartsWith("prompt", error.GetProperty("param").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_prompt_that_leaves_no_room_is_refused_with_both_numbers()
    {
        string body = JsonSerializer.Serialize(new { messages = new[] { new { role = "user", content = new string('7', 3000) } } });
        var error = await Api.Refused(model.Http, 400, body);
        Assert.Equal("context_length_exceeded", error.GetProperty("code").GetString());
        Assert.Contains("2048", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("3004", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_too_large_too_many_messages_and_another_type_are_refused()
    {
        var error = await Api.Refused(model.Http, 413, "{\"messages\": \"" + new string('x', 5 << 20) + "\"}");
        Assert.Equal("request_too_large", error.GetProperty("code").GetString());
        await Api.Refused(model.Http, 400, "{\"messages\": [" + string.Join(',', Enumerable.Repeat(User, 2049)) + "]}");
        using var content = new StringContent(With("\"n\": 1"), Encoding.UTF8, "text/plain");
        using var response = await model.Http.PostAsync(Api.Chat, content);
        Assert.Equal("Content-Type", (await Api.Error(response, 415)).GetProperty("param").GetString());
    }

    [Fact]
    public async Task Unknown_paths_and_methods_are_refused()
    {
        using var path = await model.Http.GetAsync("/v1/nothing");
        await Api.Error(path, 404);
        using var method = await model.Http.GetAsync(Api.Chat);
        await Api.Error(method, 405);
    }

    [Fact]
    public async Task A_failure_inside_a_stream_is_its_last_event_but_one()
    {
        await using var server = await Scripted.Start(model, _ => "123456");
        server.Engine.FailsAfter = 3;
        var events = await Api.Events(server.Http, Api.Ask(("stream", true)));
        Assert.Equal("[DONE]", events[^1]);
        Assert.Equal("engine_failed", JsonDocument.Parse(events[^2]).RootElement.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("\"content\":\"3\"", events[^3], StringComparison.Ordinal);
        using var health = await server.Http.GetAsync("/health");
        Assert.Equal(503, (int)health.StatusCode);
        var error = await Api.Refused(server.Http, 503, With("\"n\": 1"));
        Assert.Equal("engine_failed", error.GetProperty("code").GetString());
        Assert.Contains("out of luck", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string With(string field, int status = 400) => "{\"messages\": [" + User + "], " + field + "}" + (status == 404 ? " " : "");
}
