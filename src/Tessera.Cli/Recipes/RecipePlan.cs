using System.CommandLine;
using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>A stage that is ready to run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Verb">The verb.</param>
/// <param name="CommandLine">The verb with arguments and options, <c>--out</c> included.</param>
/// <param name="Identity">What decides the result, hashed.</param>
/// <param name="FolderName">Name of its folder below the recipe's output.</param>
internal sealed record PlannedStage(string Name, string Verb, string[] CommandLine, RunStage Identity, string FolderName);

/// <summary>A row of the report's table with its variables replaced.</summary>
/// <param name="Label">What it is called.</param>
/// <param name="Stage">The evaluating stage.</param>
/// <param name="Mode"><c>plain</c>, <c>on</c> or <c>off</c>.</param>
/// <param name="Model">Name of the model's folder; null where the stage evaluates one model.</param>
internal sealed record PlannedRow(string Label, string Stage, string Mode, string? Model);

/// <summary>
/// A recipe with everything settled before anything runs: variables replaced, paths found, inputs hashed, every command line
/// parsed by its verb.
/// </summary>
/// <param name="Recipe">The recipe.</param>
/// <param name="Output">Folder of all stages.</param>
/// <param name="Stages">Its stages in order.</param>
/// <param name="Title">Title of the report.</param>
/// <param name="Rows">Rows of the report's table.</param>
internal sealed record RecipePlan(
    Recipe Recipe, string Output, IReadOnlyList<PlannedStage> Stages, string Title, IReadOnlyList<PlannedRow> Rows)
{
    private const string EvaluatingVerb = "eval";

    /// <summary>Settles a recipe.</summary>
    /// <param name="recipe">The recipe, overrides applied.</param>
    /// <param name="output">Folder of all stages.</param>
    /// <param name="root">The program's verbs.</param>
    /// <exception cref="InvalidDataException">Something is not acceptable; one sentence with file and line.</exception>
    public static RecipePlan Make(Recipe recipe, string output, RootCommand root)
    {
        var substitution = new Substitution(recipe.Variables, recipe.Stages.Select(stage => stage.Name).ToHashSet());
        var paths = new RecipePaths(recipe.File);
        var stages = new List<PlannedStage>();
        foreach (var stage in recipe.Stages)
        {
            var planned = new StagePlanner(stage, substitution, paths, root).Plan(output);
            substitution.Add(stage.Name, Path.Combine(output, planned.FolderName), planned.Identity.Hash);
            stages.Add(planned);
        }

        return new RecipePlan(
            recipe, output, stages, recipe.Report.Title is { } title ? substitution.Apply(title).Text : recipe.Name,
            [.. recipe.Report.Rows.Select(row => Row(row, substitution, stages.First(stage => stage.Name == row.Stage.Text), root))]);
    }

    /// <summary>Folder of a stage.</summary>
    public string FolderOf(PlannedStage stage) => Path.Combine(Output, stage.FolderName);

    /// <summary>
    /// A row of the table. Whether the stage measures what the row asks for is found out now, and not after hours of training.
    /// </summary>
    private static PlannedRow Row(RecipeReportRow row, Substitution substitution, PlannedStage stage, RootCommand root)
    {
        if (stage.Verb != EvaluatingVerb)
        {
            throw row.Stage.Place.Wrong($"stage '{stage.Name}' runs {stage.Verb}; rows of the table show what an {EvaluatingVerb} stage measured");
        }

        var parsed = root.Parse(stage.CommandLine);
        string thinking = parsed.GetValue<string>("--thinking") ?? string.Empty;
        if (thinking != row.Mode.Text && !(thinking == "both" && row.Mode.Text is "on" or "off"))
        {
            throw row.Mode.Place.Wrong($"mode '{row.Mode.Text}': stage '{stage.Name}' evaluates with thinking '{thinking}'");
        }

        string[] models = [.. (parsed.GetValue<string[]>("model") ?? []).Select(FolderName)];
        string? model = row.Model is null ? null : FolderName(substitution.Apply(row.Model).Text);
        if (model is null && models.Length > 1)
        {
            throw row.Place.Wrong($"stage '{stage.Name}' evaluates {models.Length} models, and the row does not say which: give 'model'");
        }

        // The evaluation numbers models whose folders have the same name; then its names are not the folders'.
        if (model is not null && models.Distinct().Count() == models.Length && !models.Contains(model))
        {
            throw row.Model!.Place.Wrong($"model '{model}': stage '{stage.Name}' evaluates {string.Join(", ", models)}");
        }

        return new PlannedRow(substitution.Apply(row.Label).Text, stage.Name, row.Mode.Text, model);
    }

    private static string FolderName(string path) => Path.GetFileName(Path.GetFullPath(Path.TrimEndingDirectorySeparator(path)));
}
