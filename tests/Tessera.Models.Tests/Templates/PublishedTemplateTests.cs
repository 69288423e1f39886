using System.Text.Json.Nodes;
using Tessera.Models.Templates;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Templates;

/// <summary>Published templates and interpreter cases, against what Python's Jinja2 renders.</summary>
public sealed class PublishedTemplateTests
{
    private static readonly DateTime Now = new(2025, 7, 10, 12, 0, 0);

    [Fact]
    public void Published_templates_render_every_conversation_as_Jinja2()
    {
        string folder = SharedData.Require("chat_templates");
        var cases = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "cases.json")))!.AsObject();
        var index = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "templates", "index.json")))!.AsObject();
        var templates = new Dictionary<string, ChatTemplate>();
        var faults = new List<string>();
        int count = 0, refused = 0;
        foreach (string line in File.ReadLines(Path.Combine(folder, "expected.jsonl")))
        {
            var expected = JsonNode.Parse(line)!;
            string name = (string)expected["template"]!;
            string title = $"{name}/{expected["case"]}";
            if (!templates.TryGetValue(name, out ChatTemplate? template))
            {
                template = templates[name] = ChatTemplate.Parse(File.ReadAllText(Path.Combine(folder, "templates", name + ".jinja")), name);
            }

            var variables = (JsonObject)cases[(string)expected["case"]!]!.DeepClone();
            variables["bos_token"] = index[name]!["bos_token"]?.DeepClone();
            variables["eos_token"] = index[name]!["eos_token"]?.DeepClone();
            string before = variables.ToJsonString();
            string? rendered = null, error = null;
            try
            {
                rendered = template.Render(variables, Now);
            }
            catch (TemplateException exception)
            {
                error = exception.Message;
            }

            Assert.Equal(before, variables.ToJsonString());
            count++;
            refused += error is null ? 0 : 1;
            if (rendered != (string?)expected["rendered"])
            {
                faults.Add($"{title}: {error ?? rendered}\nexpected: {expected["rendered"] ?? expected["error"]}");
            }
        }

        Assert.True(faults.Count == 0, $"{faults.Count} of {count} differ:\n{string.Join("\n\n", faults)}");
        Assert.Equal((546, 30), (count, refused));
    }

    [Fact]
    public void Templates_of_the_JavaScript_port_render_their_targets()
    {
        string path = SharedData.Require("chat_templates", "upstream_jinja_e2e.json");
        var cases = JsonNode.Parse(File.ReadAllText(path))!.AsArray();
        foreach (var item in cases)
        {
            string name = (string)item!["id"]!;
            var template = ChatTemplate.Parse((string)item["chat_template"]!, name);

            Assert.Equal((string)item["target"]!, template.Render(item["data"]!.AsObject(), Now));
        }

        Assert.Equal(36, cases.Count);
    }

    [Fact]
    public void Interpreter_cases_of_the_JavaScript_port_render_as_Jinja2()
    {
        string path = SharedData.Require("chat_templates", "upstream_jinja_micro.json");
        var faults = new List<string>();
        var cases = JsonNode.Parse(File.ReadAllText(path))!.AsArray();
        foreach (var item in cases)
        {
            string expected = (string?)item!["python_jinja2"] ?? (string)item["expected"]!;
            string rendered;
            try
            {
                var template = ChatTemplate.Parse((string)item["template"]!, "micro", limits: null, trimBlocks: false);
                rendered = template.Render(item["context"]!.AsObject(), Now);
            }
            catch (TemplateException exception)
            {
                rendered = expected.StartsWith("ERR ", StringComparison.Ordinal) ? expected : exception.Message;
            }

            if (rendered != expected)
            {
                faults.Add($"{item["id"]}: {rendered}\nexpected: {expected}");
            }
        }

        Assert.True(faults.Count == 0, string.Join("\n\n", faults));
        Assert.Equal(105, cases.Count);
    }
}
