using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Models.Tests.Templates;

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
        Assert.Equal($"system:{text}|user:Be brief.", Apply(BySystemText, thinks, ("system", "Be brief.")).Messages);
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

    private static (string Messages, JsonObject? Variables) Apply(string template, bool? thinks, params (string Role, string Text)[] messages)
    {
        var (changed, variables) = ThinkingSwitch.Apply(template, [.. messages.Select(m => Message(m.Role, m.Text))], null, thinks);
        return (Text(changed), variables);
    }

    private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };

    private static string Text(IEnumerable<JsonObject> messages) => string.Join('|', messages.Select(m => $"{m["role"]}:{m["content"]}"));
}
