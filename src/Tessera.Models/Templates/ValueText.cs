using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Python's <c>str()</c> and <c>repr()</c> of values.</summary>
internal static class ValueText
{
    /// <summary>What <c>{{ value }}</c> prints.</summary>
    public static string Of(Value value, RenderState state)
    {
        switch (value)
        {
            case TextValue text:
                return text.Text;
            case UndefinedValue:
                return string.Empty;
            default:
                var target = new StringBuilder();
                AppendRepresentation(value, target, state);
                return target.ToString();
        }
    }

    /// <summary>Python's <c>repr()</c>.</summary>
    public static string Representation(Value value, RenderState state)
    {
        var target = new StringBuilder();
        AppendRepresentation(value, target, state);
        return target.ToString();
    }

    /// <summary>Python's <c>repr()</c> of a double: the shortest digits, an exponent from 1e16 and below 1e-4.</summary>
    public static string OfFloat(double number)
    {
        if (!double.IsFinite(number))
        {
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        }

        if (number == 0)
        {
            return double.IsNegative(number) ? "-0.0" : "0.0";
        }

        // The platform's shortest digits, in whichever of its forms; the exponent of the first digit.
        string shortest = Math.Abs(number).ToString("R", CultureInfo.InvariantCulture);
        int mark = shortest.IndexOf('E', StringComparison.Ordinal);
        string mantissa = mark < 0 ? shortest : shortest[..mark];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal) is var found && found >= 0 ? found : mantissa.Length;
        int first = mantissa.AsSpan().IndexOfAnyInRange('1', '9');
        int exponent = (first < point ? point - first - 1 : point - first)
            + (mark < 0 ? 0 : int.Parse(shortest.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        string digits = mantissa.Replace(".", string.Empty, StringComparison.Ordinal).TrimStart('0').TrimEnd('0');
        string sign = number < 0 ? "-" : string.Empty;
        if (exponent is >= 16 or < -4)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : string.Empty;
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }

        string whole = digits.PadRight(exponent + 1, '0');
        return $"{sign}{whole[..(exponent + 1)]}.{(whole.Length > exponent + 1 ? whole[(exponent + 1)..] : "0")}";
    }

    /// <summary>The decimal digits of an integer.</summary>
    public static string OfInteger(BigInteger number) => number.ToString(CultureInfo.InvariantCulture);

    private static void AppendRepresentation(Value value, StringBuilder target, RenderState state)
    {
        int before = target.Length;
        switch (value)
        {
            case TextValue text:
                AppendQuoted(text.Text, target, state);
                break;
            case ListValue { IsTuple: true } tuple:
                AppendAll(tuple.Items, "(", tuple.Items.Count == 1 ? ",)" : ")", target, state);
                break;
            case ListValue list:
                AppendAll(list.Items, "[", "]", target, state);
                break;
            case ViewValue view:
                AppendAll(view.Items, view.TypeName + "([", "])", target, state);
                break;
            case DictionaryValue dictionary:
                AppendDictionary(dictionary, target, state);
                break;
            case RangeValue range:
                string step = range.Step == 1 ? string.Empty : $", {range.Step}";
                target.Append(CultureInfo.InvariantCulture, $"range({range.Start}, {range.Stop}{step})");
                break;
            case NamespaceValue ns:
                target.Append("<Namespace ");
                var attributes = ns.Attributes.Select(pair => KeyValuePair.Create(Value.Of(pair.Key), pair.Value));
                AppendDictionary(new DictionaryValue(new OrderedDictionary<Value, Value>(attributes, new ValueComparer(state))), target, state);
                target.Append('>');
                break;
            default:
                target.Append(value switch
                {
                    NoneValue => "None",
                    BooleanValue flag => flag.Flag ? "True" : "False",
                    IntegerValue integer => OfInteger(integer.Number),
                    FloatValue real => OfFloat(real.Number),
                    UndefinedValue => "Undefined",
                    LoopValue loop => $"<LoopContext {ValueText.Of(loop.Attribute("index")!, state)}/{loop.Length()}>",
                    FunctionValue function => $"<function {function.Name}>",
                    _ => $"<{value.TypeName} object>",
                });
                break;
        }

        state.RequireLength(target.Length);
        if (value is not (ListValue or DictionaryValue or ViewValue))
        {
            state.Build(target.Length - before);
        }
    }

    private static void AppendAll(IReadOnlyList<Value> items, string open, string close, StringBuilder target, RenderState state)
    {
        state.Enter();
        target.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            target.Append(i == 0 ? string.Empty : ", ");
            AppendRepresentation(items[i], target, state);
        }

        target.Append(close);
        state.Leave();
    }

    private static void AppendDictionary(DictionaryValue dictionary, StringBuilder target, RenderState state)
    {
        state.Enter();
        target.Append('{');
        int count = 0;
        foreach ((Value key, Value item) in dictionary.Items)
        {
            target.Append(count++ == 0 ? string.Empty : ", ");
            AppendRepresentation(key, target, state);
            target.Append(": ");
            AppendRepresentation(item, target, state);
        }

        target.Append('}');
        state.Leave();
    }

    private static void AppendQuoted(string text, StringBuilder target, RenderState state)
    {
        state.Scan(text.Length);
        bool doubled = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal);
        char quote = doubled ? '"' : '\'';
        target.Append(quote);
        for (int at = 0; at < text.Length; at++)
        {
            char c = text[at];
            bool isPair = char.IsSurrogatePair(text, at);
            if (c == quote || c == '\\')
            {
                target.Append('\\').Append(c);
            }
            else if (c is '\n' or '\r' or '\t')
            {
                target.Append(c switch { '\n' => "\\n", '\r' => "\\r", _ => "\\t" });
            }
            else if (IsPrintable(CharUnicodeInfo.GetUnicodeCategory(text, at)) || c == ' ')
            {
                target.Append(text, at, isPair ? 2 : 1);
            }
            else
            {
                int code = isPair ? char.ConvertToUtf32(text, at) : c;
                string digits = code <= 0xFF ? $"\\x{code:x2}" : code <= 0xFFFF ? $"\\u{code:x4}" : $"\\U{code:x8}";
                target.Append(digits);
            }

            at += isPair ? 1 : 0;
        }

        target.Append(quote);
    }

    private static bool IsPrintable(UnicodeCategory category) => category is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
