using System.Collections.Frozen;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>The methods of strings.</summary>
internal static class TextMethods
{
    /// <summary>Where padding stands.</summary>
    public enum Side
    {
        /// <summary>In front.</summary>
        Left,

        /// <summary>Behind.</summary>
        Right,

        /// <summary>On both sides.</summary>
        Both,
    }

    public static FrozenDictionary<string, Builtin> Table { get; } = new Builtin[]
    {
        Mapped("upper", text => text.ToUpperInvariant()),
        Mapped("lower", text => text.ToLowerInvariant()),
        Mapped("casefold", text => text.ToLowerInvariant()),
        Mapped("capitalize", PythonText.Capitalize),
        Mapped("title", PythonText.Title),
        Mapped("swapcase", text => string.Concat(text.EnumerateRunes().Select(rune =>
            (Rune.IsUpper(rune) ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune)).ToString()))),
        new("strip", ["chars"], 0, call => Strip(call, left: true, right: true)),
        new("lstrip", ["chars"], 0, call => Strip(call, left: true, right: false)),
        new("rstrip", ["chars"], 0, call => Strip(call, left: false, right: true)),
        new("split", ["sep", "maxsplit"], 0, call => TextSplitting.Split(call, fromRight: false)),
        new("rsplit", ["sep", "maxsplit"], 0, call => TextSplitting.Split(call, fromRight: true)),
        new("splitlines", ["keepends"], 0, call => TextSplitting.ToList(call, PythonText.Lines(call.SelfText, call.Flag(0)))),
        new("partition", ["sep"], 1, call => TextSplitting.Partition(call, fromRight: false)),
        new("rpartition", ["sep"], 1, call => TextSplitting.Partition(call, fromRight: true)),
        new("startswith", ["prefix", "start", "end"], 1, call => Value.Of(Ends(call, atStart: true))),
        new("endswith", ["suffix", "start", "end"], 1, call => Value.Of(Ends(call, atStart: false))),
        new("removeprefix", ["prefix"], 1, call => call.RequireText(0, "the prefix") is var prefix
            && call.SelfText.StartsWith(prefix, StringComparison.Ordinal) ? Built(call, call.SelfText[prefix.Length..]) : call.Self),
        new("removesuffix", ["suffix"], 1, call => call.RequireText(0, "the suffix") is var suffix
            && call.SelfText.EndsWith(suffix, StringComparison.Ordinal) ? Built(call, call.SelfText[..^suffix.Length]) : call.Self),
        new("replace", ["old", "new", "count"], 2, call => Value.Of(TextSearch.Replace(
            call.SelfText, call.RequireText(0, "the old part"), call.RequireText(1, "the new part"), call.Integer(2, -1), call.State))),
        new("find", ["sub", "start", "end"], 1, call => Value.Of((BigInteger)Find(call, fromRight: false))),
        new("rfind", ["sub", "start", "end"], 1, call => Value.Of((BigInteger)Find(call, fromRight: true))),
        new("index", ["sub", "start", "end"], 1, call => Found(call, Find(call, fromRight: false))),
        new("rindex", ["sub", "start", "end"], 1, call => Found(call, Find(call, fromRight: true))),
        new("count", ["sub", "start", "end"], 1, call =>
            Value.Of((BigInteger)TextSearch.All(Part(call), call.RequireText(0, "the part"), call.State).Count())),
        new("join", ["iterable"], 1, Join),
        new("format", [], 0, call => Value.Of(BraceFormat.Apply(call.SelfText, call.Arguments, call.Evaluator))) { TakesAny = true },
        new("zfill", ["width"], 1, ZeroFill),
        new("ljust", ["width", "fillchar"], 1, call => Pad(call, call.SelfText, call.Integer(0, 0), FillCharacter(call), Side.Right)),
        new("rjust", ["width", "fillchar"], 1, call => Pad(call, call.SelfText, call.Integer(0, 0), FillCharacter(call), Side.Left)),
        new("center", ["width", "fillchar"], 1, call => Pad(call, call.SelfText, call.Integer(0, 0), FillCharacter(call), Side.Both)),
        Asked("isspace", text => text.Length > 0 && text.All(PythonText.IsSpace)),
        Asked("isalpha", text => PythonText.All(text, Rune.IsLetter)),
        Asked("isdigit", text => PythonText.All(text, Rune.IsDigit)),
        Asked("isdecimal", text => PythonText.All(text, Rune.IsDigit)),
        Asked("isnumeric", text => PythonText.All(text, Rune.IsNumber)),
        Asked("isalnum", text => PythonText.All(text, rune => Rune.IsLetter(rune) || Rune.IsNumber(rune))),
        Asked("isascii", text => Ascii.IsValid(text)),
        Asked("isupper", text => Tests.HasCase(text, wantsUpper: true)),
        Asked("islower", text => Tests.HasCase(text, wantsUpper: false)),
    }.ToFrozenDictionary(method => method.Name);

    /// <summary>A text filled up to a number of code points.</summary>
    public static Value Pad(BuiltinCall call, string text, int width, char fill, Side side)
    {
        int missing = Math.Max(0, width - PythonText.Length(text));
        call.State.BuildText((long)text.Length + missing);
        int left = side switch
        {
            Side.Left => missing,
            Side.Right => 0,
            // Python puts the odd one to the left where the width is odd.
            _ => (missing / 2) + (missing & width & 1),
        };
        return Value.Of(new string(fill, left) + text + new string(fill, missing - left));
    }

    private static Builtin Mapped(string name, Func<string, string> map) => new(name, [], 0, call => Built(call, map(call.SelfText)));

    private static Builtin Asked(string name, Func<string, bool> holds) => new(name, [], 0, call =>
    {
        call.State.Scan(call.SelfText.Length);
        return Value.Of(holds(call.SelfText));
    });

    private static Value Built(BuiltinCall call, string text)
    {
        call.State.BuildText(text.Length);
        return Value.Of(text);
    }

    private static Value Strip(BuiltinCall call, bool left, bool right) =>
        Built(call, PythonText.Strip(call.SelfText, call.Given(0) is null ? null : call.RequireText(0, "the characters"), left, right));

    private static bool Ends(BuiltinCall call, bool atStart)
    {
        string text = Part(call);
        IReadOnlyList<Value> affixes = call[0] is ListValue { IsTuple: true } tuple ? tuple.Items : [call[0]!];
        foreach (Value value in affixes)
        {
            string affix = (value as TextValue)?.Text ?? throw call.State.Error("a prefix or suffix must be a string or a tuple of strings");
            call.State.Scan(Math.Min(text.Length, affix.Length));
            if (atStart ? text.StartsWith(affix, StringComparison.Ordinal) : text.EndsWith(affix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The text between the arguments start and end.</summary>
    private static string Part(BuiltinCall call) => call.Given(1) is null && call.Given(2) is null
        ? call.SelfText
        : ((TextValue)Sequences.Slice(call.Self, call[1], call[2], null, call.State)).Text;

    private static int Find(BuiltinCall call, bool fromRight)
    {
        string text = Part(call);
        string part = call.RequireText(0, "the part");
        int at = fromRight ? TextSearch.Last(text, part, call.State) : TextSearch.First(text, part, call.State);
        if (at < 0)
        {
            return at;
        }

        // Counted in code points from the start of the whole text.
        int whole = PythonText.Length(call.SelfText);
        BigInteger start = call.Given(1) is { } given && Arithmetic.IsInteger(given) ? Arithmetic.ToInteger(given) : 0;
        start += start.Sign < 0 ? whole : 0;
        return (int)BigInteger.Max(0, BigInteger.Min(start, whole)) + PythonText.Length(text[..at]);
    }

    private static Value Found(BuiltinCall call, int at) =>
        at >= 0 ? Value.Of((BigInteger)at) : throw call.State.Error("the part is not in the string");

    private static Value Join(BuiltinCall call)
    {
        var text = new StringBuilder();
        bool any = false;
        foreach (Value item in Sequences.Iterate(call[0]!, call.State))
        {
            string next = (item as TextValue)?.Text ?? throw call.State.Error($"join: expected a string, found {item.TypeName}");
            call.State.RequireLength((long)text.Length + call.SelfText.Length + next.Length);
            call.State.Build(call.SelfText.Length + next.Length);
            text.Append(any ? call.SelfText : string.Empty).Append(next);
            any = true;
        }

        return Value.Of(text.ToString());
    }

    private static Value ZeroFill(BuiltinCall call)
    {
        string text = call.SelfText;
        int sign = text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
        var padded = (TextValue)Pad(call, text[sign..], call.Integer(0, 0) - sign, '0', Side.Left);
        return Value.Of(text[..sign] + padded.Text);
    }

    private static char FillCharacter(BuiltinCall call) => call[1] is null ? ' '
        : call.RequireText(1, "the fill character") is { Length: 1 } fill ? fill[0]
        : throw call.State.Error("the fill character must be one character");
}
