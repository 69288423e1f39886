using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Filters whose result is a string.</summary>
internal static class TextFilters
{
    public static IEnumerable<Builtin> All { get; } =
    [
        new("string", [], 0, call => Value.Of(call.SelfText)),
        // Nothing is escaped by itself, so a safe string is a plain one.
        new("safe", [], 0, call => Value.Of(call.SelfText)),
        new("e", [], 0, Escape),
        new("escape", [], 0, Escape),
        new("forceescape", [], 0, Escape),
        new("upper", [], 0, call => Built(call, call.SelfText.ToUpperInvariant())),
        new("lower", [], 0, call => Built(call, call.SelfText.ToLowerInvariant())),
        new("capitalize", [], 0, call => Built(call, PythonText.Capitalize(call.SelfText))),
        new("title", [], 0, Title),
        new("trim", ["chars"], 0, call =>
            Built(call, PythonText.Strip(call.SelfText, call.Given(0) is null ? null : call.Text(0), left: true, right: true))),
        new("center", ["width"], 0, call => TextMethods.Pad(call, call.SelfText, call.Integer(0, 80), ' ', TextMethods.Side.Both)),
        new("replace", ["old", "new", "count"], 2, call => Value.Of(TextSearch.Replace(
            call.SelfText, call.Text(0), call.Text(1), call.Given(2) is null ? -1 : call.Integer(2, -1), call.State))),
        new("indent", ["width", "first", "blank"], 0, Indent),
        new("truncate", ["length", "killwords", "end", "leeway"], 0, Truncate),
        new("wordcount", [], 0, WordCount),
        new("format", [], 0, Format) { TakesAny = true },
        new("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"], 0, ToJson),
        new("pprint", [], 0, call => Value.Of(ValueText.Representation(call.Self, call.State))),
    ];

    private static TextValue Built(BuiltinCall call, string text)
    {
        call.State.BuildText(text.Length);
        return new TextValue(text);
    }

    private static TextValue Escape(BuiltinCall call)
    {
        var text = new StringBuilder();
        foreach (char c in call.SelfText)
        {
            _ = c switch
            {
                '&' => text.Append("&amp;"),
                '<' => text.Append("&lt;"),
                '>' => text.Append("&gt;"),
                '\'' => text.Append("&#39;"),
                '"' => text.Append("&#34;"),
                _ => text.Append(c),
            };
        }

        return Built(call, text.ToString());
    }

    /// <summary>Words begin behind blanks, hyphens and opening brackets.</summary>
    private static TextValue Title(BuiltinCall call)
    {
        string source = call.SelfText;
        var text = new StringBuilder(source.Length);
        bool begins = true;
        foreach (Rune rune in source.EnumerateRunes())
        {
            text.Append(begins ? Rune.ToUpperInvariant(rune) : Rune.ToLowerInvariant(rune));
            begins = rune.IsBmp && ((char)rune.Value is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace((char)rune.Value));
        }

        return Built(call, text.ToString());
    }

    private static TextValue Indent(BuiltinCall call)
    {
        string indent = call[0] is TextValue given ? given.Text : Spaces(call, call.Integer(0, 4));
        bool blank = call.Flag(2);
        string source = (call.Self as TextValue)?.Text ?? throw call.State.Error($"indent: expected a string, found {call.Self.TypeName}");
        var lines = PythonText.Lines(source + "\n");
        var text = new StringBuilder();
        for (int i = 0; i < lines.Count; i++)
        {
            bool indents = i == 0 ? call.Flag(1) : blank || lines[i].Length > 0;
            call.State.RequireLength((long)text.Length + indent.Length + lines[i].Length + 1);
            text.Append(i == 0 ? string.Empty : "\n").Append(indents ? indent : string.Empty).Append(lines[i]);
            call.State.Build(indent.Length + lines[i].Length);
        }

        return new TextValue(text.ToString());
    }

    private static string Spaces(BuiltinCall call, int count)
    {
        call.State.BuildText(Math.Max(0, count));
        return new string(' ', Math.Max(0, count));
    }

    private static Value Truncate(BuiltinCall call)
    {
        int length = call.Integer(0, 255);
        string end = call.Text(2, "...");
        int count = Sequences.Length(call.Self, call.State) ?? throw call.State.Error($"truncate: expected a string, found {call.Self.TypeName}");
        if (length < PythonText.Length(end))
        {
            throw call.State.Error($"truncate: the length {length} is shorter than the end");
        }

        if (count <= (long)length + call.Integer(3, 5))
        {
            return call.Self;
        }

        string text = (call.Self as TextValue)?.Text ?? throw call.State.Error($"truncate: expected a string, found {call.Self.TypeName}");
        call.State.BuildList(count);
        var characters = PythonText.Characters(text);
        string cut = string.Concat(characters.Take(length - PythonText.Length(end)));
        int blank = cut.LastIndexOf(' ');
        return Built(call, (call.Flag(1) || blank < 0 ? cut : cut[..blank]) + end);
    }

    private static Value WordCount(BuiltinCall call)
    {
        call.State.Scan(call.SelfText.Length);
        int words = 0;
        bool inside = false;
        foreach (Rune rune in call.SelfText.EnumerateRunes())
        {
            bool isWord = Rune.IsLetter(rune) || Rune.IsNumber(rune) || rune.Value == '_';
            words += isWord && !inside ? 1 : 0;
            inside = isWord;
        }

        return Value.Of((System.Numerics.BigInteger)words);
    }

    private static TextValue Format(BuiltinCall call)
    {
        var arguments = call.Arguments;
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
        {
            throw call.State.Error("format takes arguments by place or by name, not both");
        }

        Value values = new ListValue(arguments.Positional, isTuple: true);
        if (arguments.Named.Count > 0)
        {
            var named = arguments.Named.Select(pair => KeyValuePair.Create(Value.Of(pair.Key), pair.Value));
            values = new DictionaryValue(new OrderedDictionary<Value, Value>(named, new ValueComparer(call.State)));
        }

        return new TextValue(PercentFormat.Apply(call.SelfText, values, call.State));
    }

    private static TextValue ToJson(BuiltinCall call)
    {
        string? indent = call.Given(1) switch
        {
            null => null,
            TextValue text => text.Text,
            _ => Spaces(call, call.Integer(1, 0)),
        };
        var options = new JsonTextOptions
        {
            EnsureAscii = call.Flag(0),
            Indent = indent,
            ItemSeparator = indent is null ? ", " : ",",
            SortKeys = call.Flag(3),
        };
        if (call.Given(2) is { } separators)
        {
            var parts = Sequences.Iterate(separators, call.State).Take(3).ToList();
            options = parts is [TextValue item, TextValue key]
                ? options with { ItemSeparator = item.Text, KeySeparator = key.Text }
                : throw call.State.Error("tojson: separators are two strings");
        }

        return new TextValue(JsonText.Of(call.Self, options, call.State));
    }
}
