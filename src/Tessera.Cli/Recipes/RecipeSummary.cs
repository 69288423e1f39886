using System.Text.Json.Nodes;
using Tessera.Cli.Output;
using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>What a run of a recipe did, as JSON: <c>summary.json</c> in its folder, and what <c>--json</c> prints.</summary>
internal sealed class RecipeSummary
{
    public const string FileName = "summary.json";
    private readonly string _path;

    private RecipeSummary(string path, JsonObject json)
    {
        _path = path;
        Json = json;
    }

    public JsonObject Json { get; }

    /// <summary>The summary of the stages that were reached, and the rows of the table once there are some.</summary>
    public static RecipeSummary Of(RecipePlan plan, IReadOnlyList<StageOutcome> outcomes, IReadOnlyList<EvaluationRow> rows)
    {
        var stages = new JsonObject();
        foreach (var outcome in outcomes)
        {
            stages[outcome.Stage.Name] = new JsonObject
            {
                ["folder"] = outcome.Stage.FolderName,
                ["hash"] = outcome.Stage.Identity.Hash,
                ["verb"] = outcome.Stage.Verb,
                ["status"] = outcome.Code == 0 ? "complete" : "failed",
                ["exit_code"] = outcome.Code,
                ["skipped"] = outcome.Skipped,
                ["seconds"] = Math.Round(outcome.Seconds, 3),
            };
        }

        var variables = new JsonObject();
        foreach (var (name, value) in plan.Recipe.Variables)
        {
            variables[name] = value.Text;
        }

        return new RecipeSummary(Path.Combine(plan.Output, FileName), new JsonObject
        {
            ["recipe"] = plan.Recipe.Name,
            ["complete"] = outcomes.Count == plan.Stages.Count && outcomes.All(outcome => outcome.Code == 0),
            ["variables"] = variables,
            ["stages"] = stages,
            ["table"] = new JsonArray([.. rows.Select(row => row.ToJson())]),
        });
    }

    /// <summary>Writes the file atomically.</summary>
    public void Save() => AtomicFile.WriteAllText(_path, JsonOutput.Text(Json) + "\n");
}
