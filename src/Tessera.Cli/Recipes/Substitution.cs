using System.Text;

namespace Tessera.Cli.Recipes;

/// <summary>A value after substitution.</summary>
/// <param name="Text">What the verb gets.</param>
/// <param name="Identity">The same with hashes in place of the folders of stages.</param>
/// <param name="NamesStage">Whether it names the folder of an earlier stage.</param>
internal readonly record struct SubstitutedValue(string Text, string Identity, bool NamesStage);

/// <summary>Replaces <c>${variable}</c> and <c>${stages.NAME}</c>. There is no other expression, and no way to nest them.</summary>
/// <param name="variables">Values by name.</param>
/// <param name="later">Names of all stages, to tell one that comes later from one that does not exist.</param>
internal sealed class Substitution(IReadOnlyDictionary<string, YamlScalar> variables, IReadOnlySet<string> later)
{
    private const string StagePrefix = "stages.";

    // A recipe of a megabyte that names a long variable everywhere must not become gigabytes.
    private const int MostCharacters = 4 << 20;

    private readonly Dictionary<string, (string Folder, string Hash)> _stages = new(StringComparer.Ordinal);
    private int _characters;

    /// <summary>Makes a stage known to those behind it.</summary>
    public void Add(string stage, string folder, string hash) => _stages.Add(stage, (folder, hash));

    /// <summary>Replaces what a value names.</summary>
    /// <exception cref="InvalidDataException">It names something unknown or a later stage; one sentence with file and line.</exception>
    public SubstitutedValue Apply(YamlScalar value)
    {
        var text = new StringBuilder();
        var identity = new StringBuilder();
        bool namesStage = false;
        string source = value.Text;
        for (int at = 0; at < source.Length;)
        {
            int open = source.IndexOf("${", at, StringComparison.Ordinal);
            int end = open < 0 ? source.Length : open;
            text.Append(source, at, end - at);
            identity.Append(source, at, end - at);
            at = end;
            if (open >= 0)
            {
                int close = source.IndexOf('}', open);
                string name = close > open ? source[(open + 2)..close] : throw value.Place.Wrong($"'{source}': a '${{' is not closed");
                var (replacement, hashed) = Lookup(value.Place, name);
                namesStage |= hashed is not null;
                text.Append(replacement);
                identity.Append(hashed ?? replacement);
                at = close + 1;
            }

            if (_characters + text.Length > MostCharacters)
            {
                throw value.Place.Wrong($"the recipe grows beyond {MostCharacters} characters when its variables are replaced");
            }
        }

        _characters += text.Length;
        return new SubstitutedValue(text.ToString(), identity.ToString(), namesStage);
    }

    private (string Text, string? Hashed) Lookup(Place place, string name)
    {
        if (!name.StartsWith(StagePrefix, StringComparison.Ordinal))
        {
            if (!variables.TryGetValue(name, out var variable))
            {
                throw place.Wrong($"there is no variable '{name}'");
            }

            return variable.Text.Contains("${", StringComparison.Ordinal)
                ? throw variable.Place.Wrong($"variable '{name}': variables cannot name others")
                : (variable.Text, null);
        }

        string stage = name[StagePrefix.Length..];
        return _stages.TryGetValue(stage, out var known)
            ? (known.Folder, known.Hash)
            : throw place.Wrong(later.Contains(stage)
                ? $"stage '{stage}' is not done before this one; name earlier stages only"
                : $"the recipe has no stage '{stage}'");
    }
}
