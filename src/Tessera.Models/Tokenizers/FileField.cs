using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// One value of a JSON file with the way to it, so that every complaint names file and field in one sentence. All reads are
/// checked: a wrong type, a missing field or a broken string throws <see cref="InvalidDataException"/>.
/// </summary>
internal readonly struct FileField(string file, string path, JsonElement element)
{
    /// <summary>The file's name, for messages.</summary>
    public string File { get; } = file;

    /// <summary>The way to the value, such as <c>model.merges[3]</c>; empty for the whole file.</summary>
    public string Path { get; } = path;

    /// <summary>The value itself.</summary>
    public JsonElement Element { get; } = element;

    /// <summary>The member's value; missing or null is an error.</summary>
    public FileField Required(string name) => Optional(name) ?? throw Error($"has no field '{Shorten(name)}'");

    /// <summary>The member's value, or nothing where it is missing or null.</summary>
    public FileField? Optional(string name)
    {
        if (Element.ValueKind != JsonValueKind.Object)
        {
            throw Error($"is not an object but {Kind(Element)}");
        }

        return Element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? new FileField(File, Path.Length == 0 ? name : $"{Path}.{Shorten(name)}", value)
            : null;
    }

    /// <summary>The elements of an array.</summary>
    public List<FileField> Items()
    {
        if (Element.ValueKind != JsonValueKind.Array)
        {
            throw Error($"is not an array but {Kind(Element)}");
        }

        var items = new List<FileField>();
        foreach (JsonElement item in Element.EnumerateArray())
        {
            items.Add(new FileField(File, $"{Path}[{items.Count}]", item));
        }

        return items;
    }

    /// <summary>A string without lone surrogates.</summary>
    public string Text()
    {
        if (Element.ValueKind != JsonValueKind.String)
        {
            throw Error($"is not a string but {Kind(Element)}");
        }

        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("holds a string that is not valid Unicode");
        }
    }

    /// <summary>A string of exactly one character.</summary>
    public char Character()
    {
        string text = Text();
        return text.Length == 1 ? text[0] : throw Error($"is not one character of the basic plane but a string of {text.Length} units");
    }

    /// <summary>True or false.</summary>
    public bool Flag() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"is not true or false but {Kind(Element)}"),
    };

    /// <summary>An integer from 0 to <paramref name="maximum"/>.</summary>
    public int Number(int maximum)
    {
        if (Element.ValueKind != JsonValueKind.Number)
        {
            throw Error($"is not a number but {Kind(Element)}");
        }

        return Element.TryGetInt32(out int value) && value >= 0 && value <= maximum
            ? value
            : throw Error($"is {Shorten(Element.GetRawText())}, not an integer from 0 to {maximum}");
    }

    /// <summary>The member's flag, or a default where it is missing.</summary>
    public bool FlagOr(string name, bool otherwise) => Optional(name)?.Flag() ?? otherwise;

    /// <summary>The exception to throw: file, field and problem in one sentence.</summary>
    public InvalidDataException Error(string problem) =>
        new($"{File}: {(Path.Length == 0 ? "the document" : Path)} {problem}.");

    /// <summary>A string from the file, cut and made printable for a message.</summary>
    public static string Shorten(string text)
    {
        string cut = text.Length <= 60 ? text : text[..60] + "…";
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? "\\u" + ((int)c).ToString("X4") : c.ToString()));
    }

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
