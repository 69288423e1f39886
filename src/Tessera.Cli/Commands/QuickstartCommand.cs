using System.CommandLine;
using System.Text.Json;
using Tessera.Cli.Recipes;

namespace Tessera.Cli.Commands;

/// <summary><c>quickstart</c>: the laptop recipe on the bundled model, and how to talk to what came of it.</summary>
internal static class QuickstartCommand
{
    private const string Recipe = "recipes/laptop.yaml";
    private const string LastModel = "rl";

    public static Command Create()
    {
        var output = new Option<string>("--out") { Description = "Folder of the run.", DefaultValueFactory = _ => "runs/quickstart" };
        var json = SharedOptions.Json();
        var command = new Command(
            "quickstart", "The whole story on the bundled model: compress it, teach the child to think, improve it by reinforcement. Minutes on two cores.")
        {
            output, json,
        };
        command.SetAction(result => Run(result.GetValue(output)!, result.GetValue(json)));
        return command;
    }

    private static int Run(string output, bool json)
    {
        string recipe = RecipePaths.FindRecipe(Recipe);
        if (!File.Exists(recipe))
        {
            throw new InvalidDataException($"{Recipe}: no such file here or beside the program; start from the repository");
        }

        string[] arguments = ["run", recipe, "--out", output];
        int code = Cli.Run(json ? [.. arguments, "--json"] : arguments);
        if (code == 0 && !json)
        {
            string model = Path.Combine(output, FolderOf(Path.Combine(output, RecipeSummary.FileName), LastModel));
            Console.WriteLine($"talk to it: ./tessera chat {model}");
            Console.WriteLine($"serve it:   ./tessera serve {model}");
        }

        return code;
    }

    private static string FolderOf(string summary, string stage)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(summary));
        return document.RootElement.GetProperty("stages").GetProperty(stage).GetProperty("folder").GetString()!;
    }
}
