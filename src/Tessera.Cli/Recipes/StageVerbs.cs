using System.CommandLine;

namespace Tessera.Cli.Recipes;

/// <summary>
/// Which verbs can be stages, and what is known about their options. A verb can be a stage if it has <c>--out</c> and takes a
/// folder there.
/// </summary>
internal static class StageVerbs
{
    /// <summary>The option that the recipe itself gives.</summary>
    public const string Output = "--out";

    /// <summary>Verbs with <c>--out</c> that are no stages: measure and report write a file there, the others are recipes themselves.</summary>
    private static readonly string[] Excluded = ["measure", "report", "run", "plan", "quickstart"];

    /// <summary>Verbs that do not go on from what a killed run left; their folder is emptied before they start again.</summary>
    private static readonly string[] StartAfresh = ["init", "export", "tokenizer train"];

    /// <summary>Options that say where, how fast or how talkative, and decide nothing about the result: they are not hashed.</summary>
    private static readonly string[] Undeciding =
    [
        "--threads", "--device", "--json", "--checkpoint-every", "--validate-every", "--gate", "--recompute", "--eager", "--memory-limit", "--memory",
    ];

    /// <summary>Verbs that measure time. What the machine does then decides the result.</summary>
    private static readonly string[] Timed = ["compress", "fuse"];

    /// <summary>Options whose texts are names and never paths, whatever lies in the working directory.</summary>
    private static readonly string[] Names =
    [
        "--tasks", "--levels", "--hard-levels", "--thinking", "--target", "--pin", "--exclude", "--loadable", "--device", "--dtype", "--schedule", "--layer-map",
        "--format", "--special", "--gate", "--curriculum", "--advantage", "--aggregation", "--kl-gradient", "--correction",
        "--recompute", "--memory-limit", "--memory", "--runs", "--score", "--score-precision", "--rescore", "--additivity-limit", "--fuse", "--heal-lengths",
        "--pretrain-schedule", "--pretrain-tokens", "--field", "--begin", "--end", "--shard-tokens",
    ];

    /// <summary>Looks up a verb such as <c>train</c> or <c>tokenizer train</c>.</summary>
    /// <exception cref="InvalidDataException">There is none, or it cannot be a stage; one sentence with file and line.</exception>
    public static Command Find(RootCommand root, YamlScalar verb)
    {
        Command command = root;
        foreach (string part in verb.Text.Split(' '))
        {
            command = command.Subcommands.FirstOrDefault(sub => sub.Name == part)
                ?? throw verb.Place.Wrong($"run '{verb.Text}': there is no such verb");
        }

        return command.Options.Any(option => option.Name == Output) && !Excluded.Contains(verb.Text)
            ? command
            : throw verb.Place.Wrong($"run '{verb.Text}': stages are verbs that write a folder given by --out, and this one is not");
    }

    /// <summary>Whether a folder with half of the verb's work must be emptied first.</summary>
    public static bool StartsAfresh(string verb) => StartAfresh.Contains(verb);

    /// <summary>Whether an option's value belongs to the identity of the stage.</summary>
    public static bool Decides(string verb, string option) =>
        !Undeciding.Contains(option) || (Timed.Contains(verb) && option is "--threads" or "--device");

    /// <summary>Whether an option's text may be the path of an input.</summary>
    public static bool MayBePath(Option option) =>
        (option.ValueType == typeof(string) || option.ValueType == typeof(string[])) && !Names.Contains(option.Name);
}
