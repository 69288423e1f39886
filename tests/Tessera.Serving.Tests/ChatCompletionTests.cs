using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Serving.Tests;

public sealed class ChatCompletionTests(ServedModel model)
{
    [Fact]
    public async Task A_reply_has_its_text_its_reason_and_its_counts()
    {
        var reply = await Api.Good(model.Http, Api.Ask());
        Assert.StartsWith("chatcmpl-", reply.GetProperty("id").GetString());
        Assert.Equal("chat.completion", reply.GetProperty("object").GetString());
        Assert.Equal(ServedModel.Name, reply.GetProperty("model").GetString());
        var choice = Assert.Single(reply.GetProperty("choices").EnumerateArray());
        Assert.Equal("assistant", choice.GetProperty("message").GetProperty("role").GetString());
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.Null, choice.GetProperty("logprobs").ValueKind);
        var usage = reply.GetProperty("usage");
        int expected = model.Engine.Model.Tokenizer.Encode("<s><|system|><|user|>47+85<|assistant|>", addSpecialTokens: false).Length;
        Assert.Equal(expected, usage.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(8, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(expected + 8, usage.GetProperty("total_tokens").GetInt32());
    }

    [Fact]
    public async Task Events_come_in_their_order_and_hold_the_text_of_the_whole_reply()
    {
        var whole = await Api.Good(model.Http, Api.Ask(("seed", 4)));
        var events = await Api.Events(
            model.Http, Api.Ask(("seed", 4), ("stream", true), ("stream_options", new JsonObject { ["include_usage"] = true })));
        Assert.Equal("[DONE]", events[^1]);
        var chunks = events[..^1].Select(data => JsonDocument.Parse(data).RootElement).ToList();
        Assert.All(chunks, chunk =>
        {
            Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString());
            Assert.Equal(chunks[0].GetProperty("id").GetString(), chunk.GetProperty("id").GetString());
            Assert.Equal(chunks[0].GetProperty("created").GetInt64(), chunk.GetProperty("created").GetInt64());
        });
        Assert.Equal("""{"role":"assistant","content":""}""", Delta(chunks[0]).GetRawText());
        Assert.All(chunks[..^2], chunk => Assert.Equal(JsonValueKind.Null, Choice(chunk).GetProperty("finish_reason").ValueKind));
        Assert.All(chunks[1..^2], chunk => Assert.NotEmpty(Delta(chunk).GetProperty("content").GetString()!));
        Assert.Equal("{}", Delta(chunks[^2]).GetRawText());
        Assert.Equal("length", Choice(chunks[^2]).GetProperty("finish_reason").GetString());
        Assert.All(chunks[..^1], chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("usage").ValueKind));
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
        Assert.Equal(whole.GetProperty("usage").GetRawText(), chunks[^1].GetProperty("usage").GetRawText());
        Assert.Equal(Text(whole), string.Concat(chunks[1..^2].Select(chunk => Delta(chunk).GetProperty("content").GetString())));
    }

    [Fact]
    public async Task Without_usage_asked_for_no_event_speaks_of_it()
    {
        var events = await Api.Events(model.Http, Api.Ask(("stream", true)));
        Assert.All(events, data => Assert.DoesNotContain("usage", data, StringComparison.Ordinal));
        Assert.Equal("length", Choice(JsonDocument.Parse(events[^2]).RootElement).GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task A_seed_gives_the_same_text_again_and_another_one_another_text()
    {
        string[] texts = await Task.WhenAll(new[] { 7, 7, 8, 7 }.Select(async seed =>
            Text(await Api.Good(model.Http, Api.Ask(("seed", seed), ("max_tokens", 24), ("temperature", 1))))));
        Assert.Equal(texts[0], texts[1]);
        Assert.Equal(texts[0], texts[3]);
        Assert.NotEqual(texts[0], texts[2]);
    }

    [Fact]
    public async Task Several_choices_differ_and_repeat_by_their_seed_with_the_prompt_counted_once()
    {
        var body = Api.Ask(("n", 3), ("seed", 1), ("max_completion_tokens", 12), ("max_tokens", 3));
        var first = await Api.Good(model.Http, body);
        string[] texts = [.. first.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("message").GetProperty("content").GetString()!)];
        Assert.Equal([0, 1, 2], first.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.Equal(3, texts.Distinct().Count());
        Assert.Equal(36, first.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var alone = await Api.Good(model.Http, Api.Ask(("seed", 1), ("max_tokens", 12)));
        Assert.Equal(alone.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), first.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(Text(alone), texts[0]);

        body["stream"] = true;
        var events = (await Api.Events(model.Http, body))[..^1].Select(data => Choice(JsonDocument.Parse(data).RootElement)).ToList();
        for (int i = 0; i < 3; i++)
        {
            var own = events.Where(choice => choice.GetProperty("index").GetInt32() == i).ToList();
            Assert.Equal("length", own[^1].GetProperty("finish_reason").GetString());
            Assert.Equal(texts[i], string.Concat(own[..^1].Select(choice => choice.GetProperty("delta").GetProperty("content").GetString())));
        }
    }

    [Fact]
    public async Task Log_probabilities_come_with_each_token_its_bytes_and_its_likeliest_rivals()
    {
        var reply = await Api.Good(model.Http, Api.Ask(("logprobs", true), ("top_logprobs", 3), ("temperature", 0)));
        var entries = reply.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(8, entries.Count);
        Assert.All(entries, entry =>
        {
            double logProb = entry.GetProperty("logprob").GetDouble();
            Assert.InRange(logProb, -9999, 0);
            double[] top = [.. entry.GetProperty("top_logprobs").EnumerateArray().Select(other => other.GetProperty("logprob").GetDouble())];
            Assert.Equal(3, top.Length);
            Assert.Equal(top.OrderDescending(), top);
            Assert.Equal(top[0], logProb);
        });
        byte[] bytes = [.. entries.SelectMany(entry => entry.GetProperty("bytes").EnumerateArray()).Select(value => value.GetByte())];
        Assert.Equal(Text(reply), Encoding.UTF8.GetString(bytes));
    }

    [Fact]
    public async Task A_stop_text_ends_the_reply_before_it()
    {
        string whole = Text(await Api.Good(model.Http, Api.Ask(("seed", 2), ("max_tokens", 40))));
        string stop = whole.Substring(6, 2);
        var cut = await Api.Good(model.Http, Api.Ask(("seed", 2), ("max_tokens", 40), ("stop", new JsonArray("never", stop))));
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], Text(cut));
        Assert.Equal("stop", cut.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var single = await Api.Good(model.Http, Api.Ask(("seed", 2), ("max_tokens", 40), ("stop", stop)));
        Assert.Equal(Text(cut), Text(single));
        await model.AllPagesFree();
    }

    [Fact]
    public async Task A_stop_token_ends_the_reply_and_is_not_part_of_its_text()
    {
        var tokenizer = model.Engine.Model.Tokenizer;
        var whole = await Api.Good(model.Http, Api.Ask(("seed", 2), ("logprobs", true)));
        byte[][] bytes = [.. whole.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray()
            .Select(entry => entry.GetProperty("bytes").EnumerateArray().Select(value => value.GetByte()).ToArray())];
        int stop = Enumerable.Range(0, tokenizer.VocabularySize)
            .First(id => Models.Tokenizers.TokenBytes.Of(tokenizer, id).SequenceEqual(bytes[5]));
        var cut = await Api.Good(model.Http, Api.Ask(("seed", 2), ("stop_token_ids", new JsonArray(stop))));
        Assert.Equal("stop", cut.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.InRange(cut.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), 1, 6);
        Assert.StartsWith(Text(cut), Text(whole), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_longest_reply_fills_the_models_positions()
    {
        var body = Api.Ask(("ignore_eos", true));
        body.Remove("max_tokens");
        var reply = await Api.Good(model.Http, body);
        Assert.Equal(ServedModel.Positions, reply.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.Equal("length", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Parts_of_text_and_unknown_fields_are_taken()
    {
        var body = Api.Ask(("seed", 3), ("user", "somebody"), ("frequency_penalty", 0), ("no_such_field", new JsonObject()));
        string plain = Text(await Api.Good(model.Http, body));
        body["messages"] = JsonNode.Parse("""[{"role": "user", "content": [{"type": "text", "text": "47"}, {"type": "text", "text": "+85"}]}]""");
        Assert.Equal(plain, Text(await Api.Good(model.Http, body)));
    }

    [Fact]
    public async Task Text_and_ids_are_completed_without_a_template()
    {
        int[] ids = model.Engine.Model.Tokenizer.Encode("12+34=", addSpecialTokens: true);
        var text = await Api.Good(
            model.Http, new JsonObject { ["prompt"] = "12+34=", ["seed"] = 1, ["logprobs"] = 2 }, "/v1/completions");
        Assert.Equal("text_completion", text.GetProperty("object").GetString());
        Assert.Equal(16, text.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(16, text.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("token_logprobs").GetArrayLength());
        var same = new JsonObject { ["prompt"] = new JsonArray([.. ids.Select(id => (JsonNode)id)]), ["seed"] = 1, ["stream"] = true };
        var events = await Api.Events(model.Http, same, "/v1/completions");
        Assert.Equal("[DONE]", events[^1]);
        var choices = events[..^1].Select(data => Choice(JsonDocument.Parse(data).RootElement)).ToList();
        Assert.Equal(
            text.GetProperty("choices")[0].GetProperty("text").GetString(),
            string.Concat(choices.Select(choice => choice.GetProperty("text").GetString())));
        Assert.Equal("length", choices[^1].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Models_and_health_are_told()
    {
        var models = await model.Http.GetFromJsonAsync<JsonElement>("/v1/models");
        var only = Assert.Single(models.GetProperty("data").EnumerateArray());
        Assert.Equal(ServedModel.Name, only.GetProperty("id").GetString());
        Assert.Equal(ServedModel.Positions, only.GetProperty("max_model_len").GetInt32());
        using var health = await model.Http.GetAsync("/health");
        Assert.Equal(200, (int)health.StatusCode);
        Assert.Empty(await health.Content.ReadAsStringAsync());
    }

    private static JsonElement Choice(JsonElement chunk) => chunk.GetProperty("choices")[0];

    private static JsonElement Delta(JsonElement chunk) => Choice(chunk).GetProperty("delta");

    private static string Text(JsonElement reply) => Choice(reply).GetProperty("message").GetProperty("content").GetString()!;
}
