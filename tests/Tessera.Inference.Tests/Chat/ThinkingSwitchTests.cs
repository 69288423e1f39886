using System.Text.Json.Nodes;
using Tessera.Inference.Chat;

namespace Tessera.Inference.Tests.Chat;

public sealed class ThinkingSwitchTests
{
    private const string BySystemText = "{{ messages[0].content }}";
    private const string ByVariable = "{% if enable_thinking is defined and enable_thinking is false %}x{% endif %}";
    private const string ByMark = "{% if '/no_think' in messages[0].content %}x{% endif %}";

    [Theory]
    [InlineData(true, "detailed thinking on")]
    [InlineData(false, "detailed thinking off")]
    public void The_system_text_is_the_switch_where_a_template_has_no_other(bool thinks, string text)
    {
        Assert.Equal($"system:{text}|user:hi", Apply(BySystemText, thinks, ("user", "hi")).Messages);
        Assert.Equal($"system:{text}|user:Be brief.\n\nhi|assistant:a|user:b", Apply(
            BySystemText, thinks, ("system", "Be brief."), ("user", "hi"), ("assistant", "a"), ("user", "b")).Messages);
        Assert.Equal($"system:{text}|user:hi", Apply(BySystemText, thinks, ("system", " "), ("user", "hi")).Messages);
    }

    [Theory]
    [InlineData(BySystemText, "detailed thinking off")]
    [InlineData(ByMark, "Be kind. /no_think")]
    public void A_switch_in_the_messages_stands(string template, string system) =>
        Assert.Equal($"system:{system}|user:hi", Apply(template, true, ("system", system), ("user", "hi")).Messages);

    [Fact]
    public void A_variable_is_set_and_the_others_are_kept()
    {
        var given = new JsonObject { ["other"] = 1, ["enable_thinking"] = true };
        var (messages, variables) = ThinkingSwitch.Apply(ByVariable, [Message("user", "hi")], given, false);
        Assert.Equal("""{"other":1,"enable_thinking":false}""", variables!.ToJsonString());
        Assert.True((bool)given["enable_thinking"]!);
        Assert.Equal("user:hi", Text(messages));
    }

    [Fact]
    public void A_mark_goes_behind_the_system_text()
    {
        Assert.Equal("system:/no_think|user:hi", Apply(ByMark, false, ("user", "hi")).Messages);
        Assert.Equal("system:Be brief. /think|user:hi", Apply(ByMark, true, ("system", "Be brief."), ("user", "hi")).Messages);
    }

    [Theory]
    [InlineData(BySystemText)]
    [InlineData(ByVariable)]
    [InlineData(ByMark)]
    public void Nothing_asked_changes_nothing(string template)
    {
        var (messages, variables) = Apply(template, null, ("system", "Be brief."), ("user", "hi"));
        Assert.Equal("system:Be brief.|user:hi", messages);
        Assert.Null(variables);
    }

    [Fact]
    public void Defaults_of_sampling_are_the_files_or_those_of_the_api()
    {
        string folder = Directory.CreateTempSubdirectory("tessera-defaults-").FullName;
        try
        {
            Assert.Equal(new GenerationDefaults(1, 1, 0), GenerationDefaults.Read(folder));
            Assert.Equal(new GenerationDefaults(0.6f, 0.95f, 20), Read("""{"do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20}"""));
            Assert.Equal(new GenerationDefaults(0, 1, 0), Read("""{"do_sample": false, "temperature": 0.6, "top_k": null}"""));
            foreach (var (content, part) in ((string, string)[])
                [("{", "not valid JSON"), ("[]", "expected an object"), ("""{"temperature": -1}""", "temperature is -1"),
                    ("""{"top_p": 0}""", "top_p is 0"), ("""{"top_k": 1.5}""", "top_k is 1.5"), ("""{"top_k": "x"}""", "top_k is \"x\"")])
            {
                var error = Assert.Throws<InvalidDataException>(() => Read(content));
                Assert.Contains(part, error.Message, StringComparison.Ordinal);
                Assert.Contains("generation_config.json", error.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        GenerationDefaults Read(string content)
        {
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), content);
            return GenerationDefaults.Read(folder);
        }
    }

    private static (string Messages, JsonObject? Variables) Apply(string template, bool? thinks, params (string Role, string Text)[] messages)
    {
        var (changed, variables) = ThinkingSwitch.Apply(template, [.. messages.Select(m => Message(m.Role, m.Text))], null, thinks);
        return (Text(changed), variables);
    }

    private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };

    private static string Text(IEnumerable<JsonObject> messages) => string.Join('|', messages.Select(m => $"{m["role"]}:{m["content"]}"));
}
