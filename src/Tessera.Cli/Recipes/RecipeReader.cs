using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>Reads a recipe file strictly: what it does not know, it refuses.</summary>
internal static class RecipeReader
{
    private const int MostStages = 256;
    private static readonly string[] Modes = ["plain", "on", "off"];

    /// <summary>Reads and checks the form of a recipe.</summary>
    /// <exception cref="InvalidDataException">One sentence with file and line.</exception>
    public static Recipe Read(string path)
    {
        var root = YamlTree.Read(path).AsMap("a recipe", "name", "description", "variables", "stages", "report");
        var name = root.Require("a recipe", "name").AsScalar("name");
        if (!RunFolder.IsName(name.Text))
        {
            throw name.Place.Wrong($"name '{name.Text}': expected lower-case letters, digits and hyphens");
        }

        var stages = Stages(root.Require("a recipe", "stages").AsList("stages"));
        return new Recipe(
            path, name.Text, root.Find("description")?.AsScalar("description").Text, Variables(root.Find("variables")?.AsMap("variables")),
            stages, Report(root.Find("report"), [.. stages.Select(stage => stage.Name)]));
    }

    private static Dictionary<string, YamlScalar> Variables(YamlMap? map)
    {
        var variables = new Dictionary<string, YamlScalar>(StringComparer.Ordinal);
        foreach (var (key, value) in map?.Entries ?? [])
        {
            if (!key.Text.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_'))
            {
                throw key.Place.Wrong($"variable '{key.Text}': expected letters, digits, hyphens and underscores");
            }

            variables.Add(key.Text, value.AsScalar($"variable '{key.Text}'"));
        }

        return variables;
    }

    private static List<RecipeStage> Stages(YamlList list)
    {
        if (list.Items.Count is 0 or > MostStages)
        {
            throw list.Place.Wrong($"stages: expected 1 to {MostStages} stages, found {list.Items.Count}");
        }

        var stages = new List<RecipeStage>();
        foreach (var node in list.Items)
        {
            var map = node.AsMap("a stage", "name", "run", "arguments", "options");
            var name = map.Require("a stage", "name").AsScalar("name");
            if (!RunFolder.IsName(name.Text))
            {
                throw name.Place.Wrong($"stage '{name.Text}': expected a name of lower-case letters, digits and hyphens");
            }

            if (stages.Any(stage => stage.Name == name.Text))
            {
                throw name.Place.Wrong($"stage '{name.Text}': an earlier stage has this name");
            }

            string what = $"stage '{name.Text}'";
            stages.Add(new RecipeStage(
                map.Place, name.Text, map.Require(what, "run").AsScalar("run"), Scalars(map.Find("arguments"), $"{what}, arguments"),
                Options(map.Find("options")?.AsMap($"{what}, options"), what)));
        }

        return stages;
    }

    private static Dictionary<string, RecipeOption> Options(YamlMap? map, string what) => (map?.Entries ?? []).ToDictionary(
        entry => entry.Key.Text,
        entry => new RecipeOption(entry.Key.Place, Scalars(entry.Value, $"{what}, option '{entry.Key.Text}'")), StringComparer.Ordinal);

    private static YamlScalar[] Scalars(YamlNode? node, string what) => node switch
    {
        null => [],
        YamlList list => [.. list.Items.Select(item => item.AsScalar(what))],
        _ => [node.AsScalar(what)],
    };

    private static RecipeReportPlan Report(YamlNode? node, HashSet<string> stages)
    {
        if (node is null)
        {
            return new RecipeReportPlan(null, [], []);
        }

        var map = node.AsMap("report", "title", "table", "curves");
        var rows = map.Find("table")?.AsList("table").Items.Select(item => Row(item, stages)).ToList();
        YamlScalar[] curves = Scalars(map.Find("curves"), "curves");
        foreach (var curve in curves)
        {
            RequireStage(curve, stages);
        }

        return new RecipeReportPlan(map.Find("title")?.AsScalar("title"), rows ?? [], curves);
    }

    private static RecipeReportRow Row(YamlNode node, HashSet<string> stages)
    {
        const string what = "a row of the table";
        var map = node.AsMap(what, "label", "stage", "model", "mode");
        YamlScalar Required(string key) => map.Require(what, key).AsScalar(key);
        var row = new RecipeReportRow(map.Place, Required("label"), Required("stage"), Required("mode"), map.Find("model")?.AsScalar("model"));
        RequireStage(row.Stage, stages);
        return Modes.Contains(row.Mode.Text)
            ? row
            : throw row.Mode.Place.Wrong($"mode '{row.Mode.Text}': expected {string.Join(", ", Modes)}");
    }

    private static void RequireStage(YamlScalar name, HashSet<string> stages)
    {
        if (!stages.Contains(name.Text))
        {
            throw name.Place.Wrong($"the recipe has no stage '{name.Text}'");
        }
    }
}
