using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Models.Tests.Templates;

/// <summary>Model folders, their special tokens, and messages brought into the templates' form.</summary>
public sealed class ChatFormatTests : IDisposable
{
    private const string Show = "{{ messages | tojson }}|{{ tools }}|{{ documents }}|{{ add_generation_prompt }}";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tokens_come_from_both_files_and_the_configuration_wins()
    {
        _folder.Write("special_tokens_map.json", """{"bos_token": "<map>", "pad_token": {"content": "<pad>", "lstrip": false}, "additional_special_tokens": ["<x>"]}""");
        _folder.Write("tokenizer_config.json", """
            {"bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>", "unk_token": null, "model_max_length": 1e30,
             "chat_template": "{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token is defined }}"}
            """);

        var format = ChatFormat.Load(_folder.FullPath)!;

        Assert.Equal("<s></s><pad>False", format.Render([], new ChatRenderOptions()));
        Assert.Equal("""{"bos_token":"<s>","pad_token":"<pad>","eos_token":"</s>"}""", format.SpecialTokens.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    }

    [Fact]
    public void A_separate_template_is_preferred_and_named_ones_are_chosen_by_tools()
    {
        Assert.Null(ChatFormat.Load(_folder.FullPath));
        _folder.Write("tokenizer_config.json", """
            {"chat_template": [{"name": "tool_use", "template": "with {{ tools | length }}"}, {"name": "default", "template": "without"}]}
            """);
        var format = ChatFormat.Load(_folder.FullPath)!;
        var tools = JsonNode.Parse("""[{"type": "function"}]""")!.AsArray();

        Assert.Equal("without", format.Render([], new ChatRenderOptions()));
        Assert.Equal("without", format.Render([], new ChatRenderOptions { Tools = [] }));
        Assert.Equal("with 1", format.Render([], new ChatRenderOptions { Tools = tools }));

        _folder.Write("chat_template.jinja", "\uFEFFseparate {{ messages | length }}\n");
        Assert.Equal("separate 0", ChatFormat.Load(_folder.FullPath)!.Render([], new ChatRenderOptions()));
    }

    [Theory]
    [InlineData("""{"chat_template": 7}""", "chat_template")]
    [InlineData("""{"chat_template": [{"name": "a", "template": "x"}, {"name": "b", "template": "y"}]}""", "'default'")]
    [InlineData("""{"chat_template": [{"name": "a"}]}""", "template")]
    [InlineData("""{"bos_token": 7, "chat_template": "x"}""", "bos_token")]
    [InlineData("""{"bos_token": {"content": 7}, "chat_template": "x"}""", "bos_token.content")]
    [InlineData("""{"chat_template": """, "JSON")]
    public void Broken_files_are_named(string content, string what)
    {
        _folder.Write("tokenizer_config.json", content);

        var error = Assert.Throws<InvalidDataException>(() => ChatFormat.Load(_folder.FullPath));

        Assert.Contains("tokenizer_config.json", error.Message);
        Assert.Contains(what, error.Message);
    }

    [Fact]
    public void A_malformed_template_is_named_with_its_file()
    {
        string path = _folder.Write("chat_template.jinja", "\n{% if %}");
        Assert.StartsWith($"{path}: line 2: ", Assert.Throws<TemplateException>(() => ChatFormat.Load(_folder.FullPath)).Message);
    }

    [Theory]
    [InlineData("""{"role": "user", "content": "a", "name": null}""", """{"role": "user", "content": "a"}""")]
    [InlineData("""{"role": "assistant", "content": null, "refusal": null}""", """{"role": "assistant", "content": ""}""")]
    [InlineData("""{"role": "assistant", "tool_calls": []}""", """{"role": "assistant", "content": ""}""")]
    [InlineData(
        """{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "index": null, "function": {"name": "f", "arguments": "{\"a\": 1.0, \"b\": null}"}}]}""",
        """{"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1.0, "b": null}}}]}""")]
    [InlineData(
        """{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{not json"}}, {"function": {"name": "g", "arguments": "7"}}]}""",
        """{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{not json"}}, {"function": {"name": "g", "arguments": "7"}}]}""")]
    [InlineData(
        """{"role": "assistant", "content": "a", "reasoning": "r"}""",
        """{"role": "assistant", "content": "a", "reasoning": "r", "reasoning_content": "r"}""")]
    [InlineData(
        """{"role": "assistant", "content": "a", "reasoning": null, "reasoning_content": "r"}""",
        """{"role": "assistant", "content": "a", "reasoning_content": "r", "reasoning": "r"}""")]
    [InlineData("""{"role": "tool", "content": [{"type": "text", "text": null}]}""", """{"role": "tool", "content": [{"type": "text", "text": null}]}""")]
    public void Messages_are_normalised_on_a_copy(string message, string expected)
    {
        var format = ChatFormat.Of(ChatTemplate.Parse(Show, "show"));
        var node = JsonNode.Parse(message)!.AsObject();
        var parent = new JsonArray(node);
        string before = parent.ToJsonString();

        Assert.Equal($"[{expected}]|None|None|True", format.Render([node], new ChatRenderOptions { AddGenerationPrompt = true, Tools = [] }));
        Assert.Equal(before, parent.ToJsonString());
    }

    [Fact]
    public void Variables_win_over_special_tokens_but_not_over_the_conversation()
    {
        var format = ChatFormat.Of(
            ChatTemplate.Parse("{{ bos_token }}{{ enable_thinking }}{{ messages | length }}{{ strftime_now('%Y') }}", "t"), new JsonObject { ["bos_token"] = "a" });
        var variables = new JsonObject { ["bos_token"] = "b", ["enable_thinking"] = false, ["messages"] = 7 };

        Assert.Equal("bFalse02025", format.Render([], new ChatRenderOptions { Variables = variables, Now = Rendering.Now }));
        Assert.Equal("aNone0".Replace("None", string.Empty, StringComparison.Ordinal) + "2025", format.Render([], new ChatRenderOptions { Now = Rendering.Now }));
    }
}
