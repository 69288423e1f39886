using System.CommandLine;
using Tessera.Cli.Recipes;
using Tessera.Runs;

namespace Tessera.Cli.Tests.Recipes;

/// <summary>A folder with a recipe in it and short ways to read, plan and run it.</summary>
internal sealed class RecipeFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("tessera-recipe-").FullName;

    public string File => At("recipe.yaml");

    public string Output => At("out");

    public string At(string name) => Path.Combine(Root, name);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        System.IO.File.WriteAllText(At(name), text);
        return At(name);
    }

    /// <summary>Plans the recipe of a text, against the program's verbs and the evaluation that tests pretend.</summary>
    public RecipePlan Plan(string text, params string[] settings)
    {
        Write("recipe.yaml", text);
        return RecipePlan.Make(RecipeOverrides.Apply(RecipeReader.Read(File), settings), Output, Verbs());
    }

    /// <summary>The sentence with which a recipe is refused.</summary>
    public string Refusal(string text, params string[] settings) =>
        Assert.Throws<InvalidDataException>(() => Plan(text, settings)).Message;

    public static string Hash(RecipePlan plan, string stage) => plan.Stages.Single(s => s.Name == stage).Identity.Hash;

    public RunFolder? Find(RecipePlan plan, string stage) => RunFolder.Find(Output, plan.Stages.Single(s => s.Name == stage).Identity);

    public void Dispose() => Directory.Delete(Root, recursive: true);

    /// <summary>All verbs; <c>eval</c> is one that only parses, so that plans do not depend on what the real one measures.</summary>
    public static RootCommand Verbs()
    {
        var root = Cli.Root();
        if (root.Subcommands.FirstOrDefault(command => command.Name == "eval") is { } real)
        {
            root.Subcommands.Remove(real);
        }

        root.Add(new Command("eval")
        {
            new Argument<string[]>("model") { Arity = ArgumentArity.OneOrMore },
            new Option<string>("--thinking") { DefaultValueFactory = _ => "both" },
            new Option<int>("--count"),
            new Option<string?>("--out"),
        });
        return root;
    }
}
