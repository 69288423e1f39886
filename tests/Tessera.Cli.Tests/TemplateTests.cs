using System.Text.Json;

namespace Tessera.Cli.Tests;

public sealed class TemplateTests(TinyModel files)
{
    private const string Template = """
        {{ bos_token }}{% for m in messages %}
        [{{ m.role }}]{{ m.content }}
        {% endfor %}
        {% if enable_thinking is defined %}
        ({{ enable_thinking }})
        {% endif %}
        {% if add_generation_prompt %}
        [assistant]
        {%- endif %}
        """;

    [Fact]
    public void A_conversation_becomes_a_prompt_with_and_without_the_switch()
    {
        string template = files.Write("chat.jinja", Template);
        string messages = files.Write("chat.json", """[{"role": "user", "content": "hi"}]""");
        string whole = files.Write("whole.json", """{"messages": [{"role": "user", "content": null}], "bos_token": "<s>", "add_generation_prompt": false}""");

        Assert.Equal("[user]hi\n[assistant]", CliRun.Good("template", template, "--messages", messages).Output);
        Assert.Equal("[user]hi\n", CliRun.Good("template", template, "--messages", messages, "--add-generation-prompt", "false").Output);
        Assert.Equal(
            "[user]hi\n(False)\n[assistant]",
            CliRun.Good("template", template, "--messages", messages, "--thinking", "off").Output);
        Assert.Equal("<s>[user]\n", CliRun.Good("template", template, "--messages", whole).Output);
        Assert.Equal("<s>[user]\n[assistant]", CliRun.Good("template", template, "--messages", whole, "--add-generation-prompt").Output);
    }

    [Fact]
    public void A_folder_gives_template_special_tokens_and_ids()
    {
        string folder = files.At("chat-model");
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(files.At("tokenizer"), "tokenizer.json"), Path.Combine(folder, "tokenizer.json"), overwrite: true);
        files.Write(Path.Combine("chat-model", "tokenizer_config.json"), JsonSerializer.Serialize(new { bos_token = "<s>", chat_template = Template }));
        string messages = files.Write("sum.json", """[{"role": "user", "content": "47+85</s>"}]""");
        const string Prompt = "<s>[user]47+85</s>\n[assistant]";

        var run = CliRun.Good("template", folder, "--messages", messages, "--ids");
        var json = CliRun.Good("template", folder, "--messages", messages, "--ids", "--json").Json();

        int[] ids = files.Tokenizer.Encode(Prompt, addSpecialTokens: false);
        Assert.Equal([files.Begin, files.End], ids.Where(files.Tokenizer.IsSpecial));
        Assert.Equal($"{Prompt}\n[{string.Join(',', ids)}]\n", run.Output);
        Assert.Equal(Prompt, json.GetProperty("prompt").GetString());
        Assert.Equal(ids, json.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()));
    }

    [Fact]
    public void A_batch_gives_a_line_for_every_line()
    {
        string template = files.Write("batch.jinja", "{{ x }}|{{ now }}|{{ strftime_now('%Y-%m-%d %H:%M') }}{{ raise_exception('no ' ~ y) if y }}");
        string input = files.Write("cases.jsonl", """
            {"x": [1, 1.0, null, "é\u2028"], "now": "2025-07-10T12:30:00"}
            {"y": "way", "now": "2025-07-10"}
            {"now": "yesterday"}
            {"x": "\ud800"}
            {"x": {}, "now": "2025-07-10T12:30:00Z"}

            """.ReplaceLineEndings("\n").TrimEnd('\n') + "\n");
        string output = files.At("prompts.jsonl");

        var run = CliRun.Good("template", template, "--input", input, "--output", output);

        var lines = File.ReadAllText(output).TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal("[1, 1.0, None, 'é\\u2028']||2025-07-10 12:30", lines[0].GetString());
        Assert.EndsWith("line 1: no way", lines[1].GetProperty("error").GetString());
        Assert.Contains("now", lines[2].GetProperty("error").GetString());
        Assert.NotEmpty(lines[3].GetProperty("error").GetString()!);
        Assert.Equal("{}||2025-07-10 12:30", lines[4].GetString());
        Assert.Equal(5, lines.Count);
        Assert.Contains("5 lines, 3 of them errors", run.Error);
    }

    [Fact]
    public void Bad_input_is_refused_with_a_sentence_and_the_old_output_stays()
    {
        string template = files.Write("plain.jinja", "{{ messages[0].content }}");
        string good = files.Write("good.json", """[{"role": "system", "content": "Be kind."}]""");
        string output = files.Write("old.jsonl", "old");

        Assert.Equal("detailed thinking on", CliRun.Good("template", template, "--messages", good, "--thinking", "on").Output.TrimEnd('\n'));
        CliRun.Refused(["template", template, "--messages", files.Write("bad.json", "{\"messages\": 7}")], "bad.json", "messages");
        CliRun.Refused(["template", template, "--messages", files.Write("cut.json", "[{")], "cut.json", "JSON");
        CliRun.Refused(["template", template, "--messages", files.At("none.json")], "none.json");
        CliRun.Refused(["template", files.At("none.jinja"), "--messages", good], "none.jinja");
        CliRun.Refused(["template", files.At("tokenizer"), "--messages", good], "no chat template");
        CliRun.Refused(["template", files.Write("open.jinja", "{% if %}"), "--messages", good], "open.jinja", "line 1");
        CliRun.Refused(["template", template], "--messages");
        CliRun.Refused(["template", template, "--input", good], "--output");
        CliRun.Refused(["template", template, "--input", good, "--output", output, "--ids"], "--ids");
        CliRun.Refused(["template", template, "--input", files.Write("lines.jsonl", "{}\n[]\n"), "--output", output], "lines.jsonl", "line 2");
        Assert.Equal("old", File.ReadAllText(output));
    }
}
