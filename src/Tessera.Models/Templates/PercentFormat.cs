using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Python's <c>format % values</c>.</summary>
internal static class PercentFormat
{
    public static string Apply(string format, Value values, RenderState state)
    {
        var text = new StringBuilder();
        IReadOnlyList<Value> listed = values is ListValue { IsTuple: true } tuple ? tuple.Items : [values];
        int used = 0;
        int at = 0;
        while (at < format.Length)
        {
            int sign = format.IndexOf('%', at);
            int end = sign < 0 ? format.Length : sign;
            Append(format[at..end]);
            if (sign < 0)
            {
                break;
            }

            at = sign + 1;
            Append(Directive());
        }

        // What could be asked by key need not be used up.
        if (used < listed.Count && values is not (DictionaryValue or UndefinedValue or RangeValue or ListValue { IsTuple: false }))
        {
            throw state.Error("not all arguments converted during string formatting");
        }

        return text.ToString();

        void Append(string part)
        {
            state.RequireLength((long)text.Length + part.Length);
            state.Build(part.Length);
            text.Append(part);
        }

        string Directive()
        {
            Value? named = at < format.Length && format[at] == '(' ? Named() : null;
            int flags = at;
            while (at < format.Length && "-+ 0#".Contains(format[at], StringComparison.Ordinal))
            {
                at++;
            }

            string given = format[flags..at];
            int width = Number();
            int? precision = null;
            if (at < format.Length && format[at] == '.')
            {
                at++;
                precision = Number();
            }

            if (at >= format.Length)
            {
                throw state.Error("incomplete format");
            }

            char type = format[at++];
            if (type == '%')
            {
                return "%";
            }

            Value value = named ?? (used < listed.Count ? listed[used++] : throw state.Error("not enough arguments for format string"));
            bool left = given.Contains('-', StringComparison.Ordinal);
            bool zeros = given.Contains('0', StringComparison.Ordinal) && !left && type is not ('s' or 'r' or 'a' or 'c');
            var specification = new FormatSpecification
            {
                Fill = zeros ? '0' : ' ',
                Align = left ? '<' : zeros ? '=' : '>',
                Sign = given.Contains('+', StringComparison.Ordinal) ? '+' : given.Contains(' ', StringComparison.Ordinal) ? ' ' : '\0',
                Alternate = given.Contains('#', StringComparison.Ordinal),
                Width = width,
                Precision = precision,
                Type = type is 'r' or 'a' or 'c' ? 's' : type,
            };
            return specification.Apply(Converted(value, type), state);
        }

        Value Named()
        {
            int close = format.IndexOf(')', at);
            if (close < 0 || values is not DictionaryValue dictionary)
            {
                throw state.Error("format requires a mapping");
            }

            Value key = Value.Of(format[(at + 1)..close]);
            at = close + 1;
            return dictionary.Items.TryGetValue(key, out Value? value) ? value : throw state.Error("the format names a key that is missing");
        }

        int Number()
        {
            int start = at;
            while (at < format.Length && char.IsAsciiDigit(format[at]))
            {
                at++;
            }

            return at == start ? 0
                : int.TryParse(format.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
                : throw state.Error("a width or precision is too large");
        }

        Value Converted(Value value, char type) => type switch
        {
            'r' or 'a' => Value.Of(ValueText.Representation(value, state)),
            'd' or 'i' or 'u' when value is FloatValue real && double.IsFinite(real.Number) => Value.Of(new BigInteger(real.Number)),
            'c' when value is IntegerValue code && code.Number >= 0 && code.Number <= 0x10FFFF && !(code.Number >= 0xD800 && code.Number <= 0xDFFF) =>
                Value.Of(char.ConvertFromUtf32((int)code.Number)),
            's' or 'c' => value,
            _ when Arithmetic.IsNumber(value) => value,
            _ => throw state.Error($"%{type} format: a number is required, not {value.TypeName}"),
        };
    }
}
