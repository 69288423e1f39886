using System.Globalization;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>How <c>tojson</c> writes, with the arguments of Python's <c>json.dumps</c>.</summary>
internal sealed record JsonTextOptions
{
    public bool EnsureAscii { get; init; }

    /// <summary>What a level is indented by; null for one line.</summary>
    public string? Indent { get; init; }

    public string ItemSeparator { get; init; } = ", ";

    public string KeySeparator { get; init; } = ": ";

    public bool SortKeys { get; init; }
}

/// <summary>
/// Python's <c>json.dumps</c>. Written by hand because the platform's writers escape other characters and print other numbers.
/// </summary>
internal sealed class JsonText(JsonTextOptions options, RenderState state)
{
    private readonly StringBuilder _target = new();

    public static string Of(Value value, JsonTextOptions options, RenderState state)
    {
        var text = new JsonText(options, state);
        text.Append(value, level: 0);
        return text._target.ToString();
    }

    private void Append(Value value, int level)
    {
        int before = _target.Length;
        switch (value)
        {
            case TextValue text:
                AppendString(text.Text);
                break;
            case ListValue list:
                AppendAll(list.Items, '[', ']', level, item => Append(item, level + 1));
                return;
            case DictionaryValue dictionary:
                AppendAll(Pairs(dictionary), '{', '}', level, pair =>
                {
                    AppendString(pair.Key);
                    _target.Append(options.KeySeparator);
                    Append(pair.Value, level + 1);
                });
                return;
            default:
                _target.Append(Scalar(value) ?? throw state.Error($"an object of type {value.TypeName} is not JSON serializable"));
                break;
        }

        Count(before);
    }

    private static string? Scalar(Value value) => value switch
    {
        NoneValue => "null",
        BooleanValue flag => flag.Flag ? "true" : "false",
        IntegerValue integer => ValueText.OfInteger(integer.Number),
        FloatValue real when double.IsFinite(real.Number) => ValueText.OfFloat(real.Number),
        FloatValue real => double.IsNaN(real.Number) ? "NaN" : real.Number > 0 ? "Infinity" : "-Infinity",
        _ => null,
    };

    private void Count(int before)
    {
        state.RequireLength(_target.Length);
        state.Build(_target.Length - before);
    }

    private IReadOnlyList<KeyValuePair<string, Value>> Pairs(DictionaryValue dictionary)
    {
        var pairs = dictionary.Items.ToList();
        state.BuildList(pairs.Count);
        if (options.SortKeys)
        {
            pairs = StableSort.Sort(pairs, (a, b) => Comparison.Order(a.Key, b.Key, state));
        }

        return [.. pairs.Select(pair => KeyValuePair.Create(Key(pair.Key), pair.Value))];
    }

    private string Key(Value key) => key is TextValue text
        ? text.Text
        : Scalar(key) ?? throw state.Error($"a key of type {key.TypeName} is not JSON serializable");

    private void AppendAll<T>(IReadOnlyList<T> items, char open, char close, int level, Action<T> append)
    {
        state.Enter();
        _target.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            int before = _target.Length;
            _target.Append(i == 0 ? string.Empty : options.ItemSeparator);
            BreakLine(level + 1);
            Count(before);
            append(items[i]);
        }

        int last = _target.Length;
        if (items.Count > 0)
        {
            BreakLine(level);
        }

        _target.Append(close);
        Count(last);
        state.Leave();
    }

    private void BreakLine(int level)
    {
        if (options.Indent is not null)
        {
            state.RequireLength(_target.Length + ((long)level * options.Indent.Length));
            _target.Append('\n').Insert(_target.Length, options.Indent, level);
        }
    }

    private void AppendString(string text)
    {
        int before = _target.Length;
        state.Scan(text.Length);
        _target.Append('"');
        foreach (char c in text)
        {
            switch (c)
            {
                case '"' or '\\':
                    _target.Append('\\').Append(c);
                    break;
                case '\n':
                    _target.Append("\\n");
                    break;
                case '\r':
                    _target.Append("\\r");
                    break;
                case '\t':
                    _target.Append("\\t");
                    break;
                case '\f':
                    _target.Append("\\f");
                    break;
                case '\b':
                    _target.Append("\\b");
                    break;
                case < ' ':
                case > '~' when options.EnsureAscii:
                    _target.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
                default:
                    _target.Append(c);
                    break;
            }
        }

        _target.Append('"');
        state.RequireLength(_target.Length - before);
    }
}
