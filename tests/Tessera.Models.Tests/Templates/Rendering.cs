using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Models.Tests.Templates;

/// <summary>Renders a source in one step.</summary>
internal static class Rendering
{
    public static readonly DateTime Now = new(2025, 7, 10, 12, 0, 0);

    public static string Of(string source, string variables = "{}", TemplateLimits? limits = null) =>
        ChatTemplate.Parse(source, "test", limits).Render(JsonNode.Parse(variables)!.AsObject(), Now);

    public static TemplateException Fails(string source, string variables = "{}", TemplateLimits? limits = null) =>
        Assert.Throws<TemplateException>(() => Of(source, variables, limits));
}
