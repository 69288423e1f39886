using System.Globalization;
using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>Filters about numbers, and those of a single value.</summary>
internal static class NumberFilters
{
    public static IEnumerable<Builtin> All { get; } =
    [
        new("abs", [], 0, call => call.Self switch
        {
            FloatValue real => Value.Of(Math.Abs(real.Number)),
            IntegerValue or BooleanValue => Value.Of(BigInteger.Abs(Arithmetic.ToInteger(call.Self))),
            UndefinedValue undefined => throw call.State.Error(undefined.Problem),
            _ => throw call.State.Error($"bad operand type for abs(): '{call.Self.TypeName}'"),
        }),
        new("int", ["default", "base"], 0, ToInteger),
        new("float", ["default"], 0, call => ToFloat(call.Self, call.State) is { } number ? Value.Of(number) : call[0] ?? Value.Of(0.0)),
        new("round", ["precision", "method"], 0, Round),
        new("default", ["default_value", "boolean"], 0, Default),
        new("d", ["default_value", "boolean"], 0, Default),
        new("attr", ["name"], 1, call => Members.Attribute(call.Self, call.Text(0), call.Evaluator)),
    ];

    private static Value Default(BuiltinCall call) =>
        call.Self is UndefinedValue || (call.Flag(1) && !Sequences.IsTrue(call.Self)) ? call[0] ?? Value.Of(string.Empty) : call.Self;

    /// <summary>What Python's <c>float()</c> makes of a value; null where it raises.</summary>
    private static double? ToFloat(Value value, RenderState state)
    {
        switch (value)
        {
            case FloatValue or IntegerValue or BooleanValue:
                return Arithmetic.ToDouble(value);
            case UndefinedValue undefined:
                throw state.Error(undefined.Problem);
            case TextValue text:
                state.Scan(text.Text.Length);
                string digits = Digits(text.Text);
                string name = digits.TrimStart('+', '-').ToLowerInvariant();
                if (name is "nan" or "inf" or "infinity")
                {
                    return name == "nan" ? double.NaN : digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
                }

                const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
                return double.TryParse(digits, Style, CultureInfo.InvariantCulture, out double number) && !name.Contains('n') && !name.Contains('∞')
                    ? number
                    : null;
            default:
                return null;
        }
    }

    /// <summary>A number's text without blanks around it and single underscores between its digits.</summary>
    private static string Digits(string text)
    {
        string stripped = PythonText.Strip(text, null, left: true, right: true);
        for (int i = 0; i < stripped.Length; i++)
        {
            bool between = i > 0 && i + 1 < stripped.Length && char.IsAsciiLetterOrDigit(stripped[i - 1]) && char.IsAsciiLetterOrDigit(stripped[i + 1]);
            if (stripped[i] == '_' && !between)
            {
                return string.Empty;
            }
        }

        return stripped.Replace("_", string.Empty, StringComparison.Ordinal);
    }

    private static Value ToInteger(BuiltinCall call)
    {
        const int Longest = 4300;
        Value otherwise = call[0] ?? Value.Of(BigInteger.Zero);
        if (call.Self is TextValue text)
        {
            int radix = call.Integer(1, 10);
            string digits = Digits(text.Text);
            if (digits.Length <= Longest && ParseInteger(digits, radix) is { } parsed)
            {
                return Value.Of(parsed);
            }
        }
        else if (Arithmetic.IsInteger(call.Self))
        {
            return Value.Of(Arithmetic.ToInteger(call.Self));
        }

        return ToFloat(call.Self, call.State) is { } number && double.IsFinite(number) ? Value.Of(new BigInteger(number)) : otherwise;
    }

    private static BigInteger? ParseInteger(string text, int radix)
    {
        bool negative = text.StartsWith('-');
        string digits = negative || text.StartsWith('+') ? text[1..] : text;
        if (digits.Length > 2 && digits[0] == '0')
        {
            int named = char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => -1 };
            digits = named == radix || (radix == 0 && named > 0) ? digits[2..] : digits;
            radix = radix == 0 && named > 0 ? named : radix;
        }

        radix = radix == 0 ? 10 : radix;
        if (digits.Length == 0 || radix is < 2 or > 36)
        {
            return null;
        }

        BigInteger sum = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : 36;
            if (digit >= radix)
            {
                return null;
            }

            sum = (sum * radix) + digit;
        }

        return negative ? -sum : sum;
    }

    private static Value Round(BuiltinCall call)
    {
        int precision = call.Integer(0, 0);
        string method = call.Text(1, "common");
        if (!Arithmetic.IsNumber(call.Self))
        {
            throw call.State.Error($"type {call.Self.TypeName} cannot be rounded");
        }

        if (method is not ("common" or "ceil" or "floor"))
        {
            throw call.State.Error("round: the method must be common, ceil or floor");
        }

        if (method == "common" && Arithmetic.IsInteger(call.Self) && precision >= 0)
        {
            return Value.Of(Arithmetic.ToInteger(call.Self));
        }

        double number = Arithmetic.ToDouble(call.Self);
        double scale = Math.Pow(10, precision);
        double rounded = method switch
        {
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            // The decimal digits of the double decide, as in Python, not the product with a power of ten.
            _ when precision is >= 0 and <= 20 && Math.Abs(number) < 1e15 =>
                double.Parse(number.ToString("F" + precision, CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var fixedPoint
                && precision == 0 ? Math.Round(number, MidpointRounding.ToEven) : fixedPoint,
            _ when precision >= 0 => number,
            _ => Math.Round(number * scale, MidpointRounding.ToEven) / scale,
        };
        return Arithmetic.IsInteger(call.Self) && method == "common" ? Value.Of(new BigInteger(rounded)) : Value.Of(rounded);
    }
}
