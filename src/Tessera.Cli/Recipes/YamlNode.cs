namespace Tessera.Cli.Recipes;

/// <summary>Where something was written, for the sentence that refuses it.</summary>
/// <param name="Text">File and line, or the option of the command line.</param>
internal sealed record Place(string Text)
{
    public static Place Line(string file, long line) => new(FormattableString.Invariant($"{file}, line {line}"));

    /// <summary>The exception for something wrong at this place.</summary>
    public InvalidDataException Wrong(string sentence, Exception? cause = null) => new($"{Text}: {Printable(sentence)}", cause);

    // Keys and values of the file stand in sentences: none of them may break the line or run on.
    private static string Printable(string sentence)
    {
        const int Longest = 1000;
        string cut = sentence.Length <= Longest ? sentence : sentence[..Longest] + "…";
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? $"\\u{(int)c:X4}" : c.ToString()));
    }
}

/// <summary>A value of a YAML file.</summary>
internal abstract record YamlNode(Place Place)
{
    /// <summary>What it is, for sentences.</summary>
    public abstract string Kind { get; }

    /// <summary>The entries of a mapping whose keys are all among <paramref name="allowed"/>.</summary>
    public YamlMap AsMap(string what, params string[] allowed)
    {
        var map = AsMap(what);
        foreach (var (key, _) in map.Entries)
        {
            if (!allowed.Contains(key.Text))
            {
                throw key.Place.Wrong($"{what} has no key '{key.Text}'; expected {string.Join(", ", allowed)}");
            }
        }

        return map;
    }

    public YamlMap AsMap(string what) =>
        this as YamlMap ?? throw Place.Wrong($"{what}: expected a mapping of keys to values, found {Kind}");

    public YamlList AsList(string what) => this as YamlList ?? throw Place.Wrong($"{what}: expected a list, found {Kind}");

    public YamlScalar AsScalar(string what) =>
        this is YamlScalar { IsNull: false } scalar ? scalar : throw Place.Wrong($"{what}: expected a text or number, found {Kind}");
}

/// <summary>A text or number; <paramref name="IsPlain"/> where it stands without quotes.</summary>
internal sealed record YamlScalar(Place Place, string Text, bool IsPlain) : YamlNode(Place)
{
    public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";

    public override string Kind => IsNull ? "nothing" : "a text or number";
}

/// <summary>A list.</summary>
internal sealed record YamlList(Place Place, IReadOnlyList<YamlNode> Items) : YamlNode(Place)
{
    public override string Kind => "a list";
}

/// <summary>Keys and values in the order of the file.</summary>
internal sealed record YamlMap(Place Place, IReadOnlyList<(YamlScalar Key, YamlNode Value)> Entries) : YamlNode(Place)
{
    public override string Kind => "a mapping";

    public YamlNode? Find(string key) => Entries.FirstOrDefault(entry => entry.Key.Text == key).Value;

    public YamlNode Require(string what, string key) => Find(key) ?? throw Place.Wrong($"{what} needs the key '{key}'");
}
