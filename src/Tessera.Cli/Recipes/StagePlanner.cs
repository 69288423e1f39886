using System.CommandLine;
using System.Globalization;
using System.Reflection;
using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>Turns one stage of a recipe into a command line and the hash of what decides its result.</summary>
internal sealed class StagePlanner(RecipeStage stage, Substitution substitution, RecipePaths paths, RootCommand root)
{
    private static readonly string ToolVersion = typeof(StagePlanner).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    private readonly string _verb = stage.Verb.Text;
    private readonly Command _command = StageVerbs.Find(root, stage.Verb);
    private readonly SortedDictionary<string, string> _settings = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _inputs = new(StringComparer.Ordinal);

    /// <summary>Settles the stage.</summary>
    /// <exception cref="InvalidDataException">A value, an option or the whole is not acceptable; one sentence with file and line.</exception>
    public PlannedStage Plan(string output)
    {
        _settings.Add("verb", _verb);
        string[] words = [.. _verb.Split(' '), .. Arguments(), .. Options()];
        var identity = new RunStage
        {
            Name = stage.Name,
            ToolVersion = ToolVersion,
            Command = "tessera " + string.Join(' ', words.Select(Quote)),
            Settings = _settings,
            Inputs = _inputs,
        };
        string folder = RunFolder.NameOf(identity);
        string[] commandLine = [.. words, $"{StageVerbs.Output}={Path.Combine(output, folder)}"];
        var errors = root.Parse(commandLine).Errors;
        return errors.Count == 0
            ? new PlannedStage(stage.Name, _verb, commandLine, identity, folder)
            : throw stage.Place.Wrong($"stage '{stage.Name}': {errors[0].Message.ReplaceLineEndings(" ")}");
    }

    private List<string> Arguments()
    {
        var words = new List<string>();
        for (int i = 0; i < stage.Arguments.Count; i++)
        {
            var scalar = stage.Arguments[i];
            string text = Record(Numbered("argument", i, stage.Arguments.Count), scalar, mayBePath: true, mustBePath: true);

            // The command line would take these for an option and for a file of options.
            words.Add(text[0] is not ('-' or '@') ? text : throw scalar.Place.Wrong($"argument '{text}': cannot begin with '{text[0]}'"));
        }

        return words;
    }

    private List<string> Options()
    {
        var words = new List<string>();
        foreach (var (key, given) in stage.Options)
        {
            string name = "--" + key;
            var option = _command.Options.FirstOrDefault(option => option.Name == name);
            if (name == StageVerbs.Output)
            {
                throw given.Place.Wrong($"stage '{stage.Name}': the recipe itself gives {StageVerbs.Output}");
            }

            if (option is null or System.CommandLine.Help.HelpOption)
            {
                throw given.Place.Wrong($"stage '{stage.Name}': {_verb} has no option '{key}'");
            }

            // A value that may be left out makes a flag of an option, as in fuse: true beside fuse: blocks.
            bool isFlag = option is { Arity: { MinimumNumberOfValues: 0, MaximumNumberOfValues: 1 } } && given.Values is [{ IsPlain: true, Text: "true" or "false" }];
            if (option.ValueType == typeof(bool) || isFlag)
            {
                words.AddRange(Flag(key, name, given));
                continue;
            }

            for (int i = 0; i < given.Values.Count; i++)
            {
                var scalar = given.Values[i];
                if (scalar.IsPlain && scalar.Text is "true" or "false")
                {
                    throw scalar.Place.Wrong($"stage '{stage.Name}': option '{key}' takes a value, found {scalar.Text}");
                }

                string? record = StageVerbs.Decides(_verb, name) ? Numbered("option " + key, i, given.Values.Count) : null;
                bool mayBePath = StageVerbs.MayBePath(option);
                words.Add($"{name}={Record(record, scalar, mayBePath, mayBePath && scalar.Text.Contains('/', StringComparison.Ordinal))}");
            }
        }

        return words;
    }

    private string[] Flag(string key, string name, RecipeOption given)
    {
        string text = given.Values.Count == 1 ? substitution.Apply(given.Values[0]).Text : string.Empty;
        if (text is not ("true" or "false"))
        {
            throw given.Place.Wrong($"stage '{stage.Name}': option '{key}' is a flag, expected true or false");
        }

        if (text == "false")
        {
            return [];
        }

        if (StageVerbs.Decides(_verb, name))
        {
            _settings.Add("option " + key, text);
        }

        return [name];
    }

    /// <summary>Replaces what a value names and records what it stands for.</summary>
    /// <param name="record">Name in the identity, or null for a value that does not decide the result.</param>
    /// <param name="scalar">The value.</param>
    /// <param name="mayBePath">Whether it names an input if something lies there.</param>
    /// <param name="mustBePath">Whether it is a mistake if nothing does.</param>
    /// <returns>The word of the command line.</returns>
    private string Record(string? record, YamlScalar scalar, bool mayBePath, bool mustBePath)
    {
        var value = substitution.Apply(scalar);
        if (value.Text.Length == 0)
        {
            throw scalar.Place.Wrong($"stage '{stage.Name}': a value is empty");
        }

        string? path = mayBePath && !value.NamesStage ? paths.Find(value.Text) : null;
        if (path is null && mustBePath && !value.NamesStage && !value.Text.Contains(':', StringComparison.Ordinal))
        {
            throw scalar.Place.Wrong(
                $"stage '{stage.Name}': there is no file or folder '{value.Text}' here, beside the recipe, or in the program's repository");
        }

        if (record is not null)
        {
            bool isInput = path is not null || value.NamesStage;
            (isInput ? _inputs : _settings).Add(record, path is null ? value.Identity : paths.Hash(path));
        }

        return path ?? value.Text;
    }

    private static string Numbered(string name, int index, int count) =>
        count == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{name} {index + 1}");

    private static string Quote(string word) =>
        word.All(character => char.IsAsciiLetterOrDigit(character) || "-_./=,:+%".Contains(character, StringComparison.Ordinal))
            ? word
            : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
