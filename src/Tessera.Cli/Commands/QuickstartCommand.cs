using System.CommandLine;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Models.Checkpoints;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>quickstart</c>: compresses the bundled model and asks the child some questions.</summary>
internal static class QuickstartCommand
{
    private const string BundledModel = "models/tessera-arithmetic-4.8m";
    private const int QuestionsAsked = 4;
    private const ulong QuestionSeed = 77;

    public static Command Create()
    {
        var output = new Option<string>("--out") { Description = "Folder of the run.", DefaultValueFactory = _ => "runs/quickstart" };
        var json = SharedOptions.Json();
        var command = new Command("quickstart", "Compress the bundled model to 1.5 times its decode speed: a few minutes on two cores.") { output, json };
        command.SetAction(result => Run(result.GetValue(output)!, result.GetValue(json)));
        return command;
    }

    /// <summary>The folder of the bundled model: below the working directory or one of the program's parent folders.</summary>
    public static string FindBundledModel()
    {
        foreach (string start in (string[])[Directory.GetCurrentDirectory(), AppContext.BaseDirectory])
        {
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            {
                string candidate = Path.Combine(folder.FullName, BundledModel);
                if (Directory.Exists(candidate))
                {
                    return candidate;
                }
            }
        }

        throw new InvalidDataException($"{BundledModel}: no such folder here or above; start from the repository");
    }

    private static int Run(string output, bool json)
    {
        string[] arguments =
        [
            "compress", FindBundledModel(), "--out", output, "--target", "decode>=1.5x", "--tasks", "all",
            "--batch", "1", "--input-length", "64", "--output-length", "192", "--dtype", "bf16", "--threads", "2",
        ];
        int code = Cli.Run(json ? [.. arguments, "--json"] : arguments);
        if (code == 0 && !json)
        {
            Ask(Path.Combine(output, "child"));
        }

        return code;
    }

    /// <summary>Loads the written child anew and lets it answer unseen problems.</summary>
    private static void Ask(string folder)
    {
        using var device = new CpuDevice(2);
        using var model = ModelFolder.Load(folder);
        var tokenizer = ModelFolder.LoadTokenizer(folder)!;
        using var generator = new Generator(device, model, new EngineSettings { CacheType = model.Embedding.Type });
        var problems = TasksCommand.Source(ProblemSplit.Evaluation, QuestionSeed, null, null).Stream().Take(QuestionsAsked).ToList();
        Console.WriteLine("The reloaded child answers unseen problems:");
        Evaluation.TaskAccuracy.Measure(
            generator, tokenizer, model.Configuration.BosTokenId, model.Configuration.EosTokenIds, problems,
            sample => Console.WriteLine(
                $"  {sample.Problem.Question} = {sample.Answer ?? "no answer"} ({(sample.IsCorrect ? "right" : $"wrong, {sample.Problem.Answer}")})"));
    }
}
