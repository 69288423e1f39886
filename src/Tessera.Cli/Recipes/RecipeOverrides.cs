using System.CommandLine;

namespace Tessera.Cli.Recipes;

/// <summary>Applies <c>--set name=value</c> to variables and <c>--set stage.option=value</c> to options.</summary>
internal static class RecipeOverrides
{
    /// <summary>The recipe with other values.</summary>
    /// <exception cref="InvalidDataException">A setting names nothing in the recipe, or stands twice; one sentence.</exception>
    public static Recipe Apply(Recipe recipe, IEnumerable<string> settings)
    {
        var variables = recipe.Variables.ToDictionary();
        var stages = recipe.Stages.ToList();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string setting in settings)
        {
            var place = new Place($"--set {setting}");
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw place.Wrong("expected name=value or stage.option=value");
            }

            string key = setting[..equals];
            if (!seen.Add(key))
            {
                throw place.Wrong($"'{key}' is set twice");
            }

            var value = new YamlScalar(place, setting[(equals + 1)..], IsPlain: true);
            if (value.IsNull || value.Text.Length > YamlTree.MostScalarLength)
            {
                throw place.Wrong($"expected a value of 1 to {YamlTree.MostScalarLength} characters");
            }

            if (key.Split('.', 2) is [var stage, var option])
            {
                int index = stages.FindIndex(other => other.Name == stage);
                stages[index >= 0 ? index : throw place.Wrong($"{recipe.File} has no stage '{stage}'")] =
                    With(stages[index], option, new RecipeOption(place, [value]));
            }
            else
            {
                variables[variables.ContainsKey(key) ? key : throw place.Wrong($"{recipe.File} has no variable '{key}'")] = value;
            }
        }

        return recipe with { Variables = variables, Stages = stages };
    }

    /// <summary>The recipe with one option of all stages whose verbs have it; unchanged where there is no value.</summary>
    public static Recipe ForAll(Recipe recipe, RootCommand root, string option, string? value)
    {
        if (value is null)
        {
            return recipe;
        }

        var place = new Place($"--{option} {value}");
        var chosen = new RecipeOption(place, [new YamlScalar(place, value, IsPlain: true)]);
        return recipe with
        {
            Stages = [.. recipe.Stages.Select(stage =>
                StageVerbs.Find(root, stage.Verb).Options.Any(other => other.Name == "--" + option) ? With(stage, option, chosen) : stage)],
        };
    }

    private static RecipeStage With(RecipeStage stage, string name, RecipeOption option) =>
        stage with { Options = new Dictionary<string, RecipeOption>(stage.Options, StringComparer.Ordinal) { [name] = option } };
}
