using System.CommandLine;
using System.Text.Json.Nodes;
using Tessera.Cli.Output;
using Tessera.Cli.Recipes;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>run</c>: a recipe, its stages in order, each in a folder of its own that is found again.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var recipe = new Argument<string>("recipe") { Description = "A recipe file, such as recipes/laptop.yaml." };
        var output = new Option<string?>("--out") { Description = "Folder of all stages; runs/NAME by default." };
        var set = new Option<string[]>("--set") { Description = "name=value for a variable, stage.option=value for an option of a stage. May be repeated." };
        var device = new Option<string?>("--device") { Description = "Where every stage that computes does so: cpu, or cuda or cuda:N; what the recipe says where this is not given." };
        var precision = new Option<string?>("--precision") { Description = "How every stage that trains computes: f32, mixed or bf16; what the recipe says where this is not given." };
        var dry = new Option<bool>("--dry-run") { Description = "Show stages, folders and what is complete, and run nothing." };
        var json = SharedOptions.Json();
        var command = new Command("run", "Run a recipe: stages in order, complete ones skipped, killed ones continued.")
        {
            recipe, output, set, device, precision, dry, json,
        };
        command.SetAction(result =>
        {
            var read = RecipeOverrides.Apply(
                RecipeReader.Read(RecipePaths.FindRecipe(result.GetValue(recipe)!)), result.GetValue(set) ?? []);
            read = RecipeOverrides.ForAll(read, Cli.Root(), "device", result.GetValue(device));
            read = RecipeOverrides.ForAll(read, Cli.Root(), "precision", result.GetValue(precision));
            var plan = RecipePlan.Make(read, result.GetValue(output) ?? Path.Combine("runs", read.Name), Cli.Root());
            return result.GetValue(dry) ? Show(plan, result.GetValue(json)) : Run(plan, result.GetValue(json));
        });
        return command;
    }

    private static int Run(RecipePlan plan, bool json)
    {
        var outcomes = new RecipeRunner(plan, RunVerb).Run();
        if (outcomes[^1].Code != 0)
        {
            return outcomes[^1].Code;
        }

        var results = EvaluationResults.Read(plan);
        var summary = RecipeSummary.Of(plan, outcomes, results.Rows);
        summary.Save();
        string report = new RecipeReport(plan, outcomes, results).Save();
        if (json)
        {
            JsonOutput.Print(summary.Json);
            return 0;
        }

        if (results.Rows.Count > 0)
        {
            results.Print();
        }

        Console.WriteLine($"report: {report}");
        return 0;
    }

    /// <summary>Standard output belongs to the result of the recipe; what its stages print goes to the log.</summary>
    private static int RunVerb(string[] arguments)
    {
        var output = Console.Out;
        Console.SetOut(Console.Error);
        try
        {
            return Cli.Run(arguments);
        }
        finally
        {
            Console.SetOut(output);
        }
    }

    private static int Show(RecipePlan plan, bool json)
    {
        var states = plan.Stages.Select(stage => (Stage: stage, State: State(plan, stage))).ToList();
        if (json)
        {
            JsonOutput.Print(new JsonArray([.. states.Select(item => new JsonObject
            {
                ["stage"] = item.Stage.Name,
                ["folder"] = plan.FolderOf(item.Stage),
                ["state"] = item.State,
                ["command"] = item.Stage.Identity.Command,
            })]));
            return 0;
        }

        var table = new TextTable("stage", "verb", "state", "folder");
        states.ForEach(item => table.Add(item.Stage.Name, item.Stage.Verb, item.State, plan.FolderOf(item.Stage)));
        table.Print();
        return 0;
    }

    private static string State(RecipePlan plan, PlannedStage stage) => RunFolder.Find(plan.Output, stage.Identity) switch
    {
        null => "to do",
        { IsComplete: true } => "complete",
        _ => "started",
    };
}
