using System.Text.Json.Nodes;
using Tessera.Models.Templates;
using Tessera.Models.Tests.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Templates;

/// <summary>Conversations all the way to ids, for templates and tokenizers of published models.</summary>
public sealed class PublishedPromptTests
{
    private const string User = " Solve x*(sin(x)+2)=0 ";

    // The layout of Llama-Nemotron Super v1: the system block is always there, texts are trimmed, history loses its reasoning.
    private const string SuperV1 = """
        {{ bos_token }}{% set rest = messages %}{% set system = '' %}
        {%- if messages[0].role == 'system' %}{% set system = messages[0].content | trim %}{% set rest = messages[1:] %}{% endif %}
        {{- '<|start_header_id|>system<|end_header_id|>\n\n' + system + '<|eot_id|>' }}
        {%- for m in rest %}
        {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}
        {{- (m.content.split('</think>')[-1].lstrip() if m.role == 'assistant' else m.content) | trim }}{{ '<|eot_id|>' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
        """;

    [Theory]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "llama3_1", null, "128000,128006,9125,128007,271,38766,1303,33025,2696,25,6790,220,2366,18,198,15724,2696,25,220,1627,10263,220,2366,19,271,128009,128006,882,128007,271,50,4035,865,6737,16319,2120,7405,17,11992,15,128009,128006,78191,128007,271")]
    [InlineData("nvidia-Llama-3_3-Nemotron-Super-49B-v1_5", "llama3_1", null, "128000,128006,9125,128007,271,128009,128006,882,128007,271,64384,865,6737,16319,2120,7405,17,11992,15,220,128009,128006,78191,128007,271")]
    [InlineData("nvidia-Llama-3_3-Nemotron-Super-49B-v1_5", "llama3_1", "You are X. /no_think", "128000,128006,9125,128007,271,2675,527,1630,382,128009,128006,882,128007,271,64384,865,6737,16319,2120,7405,17,11992,15,220,128009,128006,78191,128007,271,14023,771,1363,524,27963,1363")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "qwen3", null, "151644,8948,198,2610,525,1207,16948,11,3465,553,54364,14817,13,1446,525,264,10950,17847,13,151645,198,151644,872,198,63284,856,6599,15940,2075,7257,17,11730,15,220,151645,198,151644,77091,198")]
    [InlineData("Qwen-Qwen3-0.6B", "qwen3", null, "151644,872,198,63284,856,6599,15940,2075,7257,17,11730,15,220,151645,198,151644,77091,198")]
    public void Published_templates_give_the_published_ids(string template, string tokenizer, string? system, string expected)
    {
        string path = SharedData.Require("chat_templates", "templates", template + ".jinja");

        Assert.Equal(expected, Ids(ChatTemplate.Parse(File.ReadAllText(path), template), tokenizer, Messages(system, User), null));
    }

    [Fact]
    public void Qwen3_without_thinking_begins_with_empty_thoughts()
    {
        string path = SharedData.Require("chat_templates", "templates", "Qwen-Qwen3-0.6B.jinja");
        var variables = new JsonObject { [ThinkingSwitch.Variable] = false };

        string ids = Ids(ChatTemplate.Parse(File.ReadAllText(path), "qwen3"), "qwen3", Messages(null, User), variables);

        Assert.EndsWith(",77091,198,151667,271,151668,271", ids);
        Assert.Equal(22, ids.Split(',').Length);
    }

    [Theory]
    [InlineData(true, "128000,128006,9125,128007,271,67,10319,7422,389,128009,128006,882,128007,271,50,4035,865,6737,16319,2120,7405,17,11992,15,128009,128006,78191,128007,271", User)]
    [InlineData(null, "128000,128006,9125,128007,271,128009,128006,882,128007,271,50,4035,865,6737,16319,2120,7405,17,11992,15,128009,128006,78191,128007,271", User)]
    [InlineData(false, "128000,128006,9125,128007,271,67,10319,7422,1022,128009,128006,882,128007,271,64,128009,128006,78191,128007,271,65,128009,128006,882,128007,271,66,128009,128006,78191,128007,271", "a", "<think>\nhmm\n</think>\n\nb ", "c")]
    public void The_layout_of_Nemotron_Super_v1_gives_the_published_ids(bool? thinking, string expected, params string[] turns)
    {
        var messages = Messages(null, turns);
        (messages, _) = ThinkingSwitch.Apply(SuperV1, messages, null, thinking);

        Assert.Equal(expected, Ids(ChatTemplate.Parse(SuperV1, "super v1"), "llama3_1", messages, null));
    }

    private static string Ids(ChatTemplate template, string tokenizer, IReadOnlyList<JsonObject> messages, JsonObject? variables)
    {
        var tokens = PublishedTokenizers.Get(tokenizer);
        var format = ChatFormat.Of(template, new JsonObject { ["bos_token"] = tokenizer == "llama3_1" ? "<|begin_of_text|>" : null });
        string prompt = format.Render(messages, new ChatRenderOptions { AddGenerationPrompt = true, Variables = variables });
        return string.Join(',', tokens.Encode(prompt, addSpecialTokens: false));
    }

    /// <summary>Turns of user and assistant, with a system message in front where one is given.</summary>
    private static IReadOnlyList<JsonObject> Messages(string? system, params string[] turns)
    {
        var messages = turns.Select((text, i) => new JsonObject { ["role"] = i % 2 == 0 ? "user" : "assistant", ["content"] = text });
        return system is null ? [.. messages] : [new JsonObject { ["role"] = "system", ["content"] = system }, .. messages];
    }
}
