using System.Globalization;
using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>How one value is written by <c>%</c> or <c>str.format</c>.</summary>
internal sealed record FormatSpecification
{
    public char Fill { get; init; } = ' ';

    /// <summary><c>&lt;</c>, <c>&gt;</c>, <c>^</c> or <c>=</c>; '\0' for the value's own side.</summary>
    public char Align { get; init; }

    /// <summary><c>+</c> or a blank in front of numbers that are not negative; '\0' for nothing.</summary>
    public char Sign { get; init; }

    public bool Alternate { get; init; }

    public bool Thousands { get; init; }

    public int Width { get; init; }

    public int? Precision { get; init; }

    /// <summary>The conversion's letter; '\0' where there is none.</summary>
    public char Type { get; init; }

    public string Apply(Value value, RenderState state)
    {
        const int MostDigits = 1000;
        if (Precision > MostDigits && Type is not ('s' or '\0'))
        {
            throw state.Error($"a format asks for more than {MostDigits} digits");
        }

        bool isNumber = Arithmetic.IsNumber(value) && Type != 's';
        string body = isNumber && (Type != '\0' || value is not BooleanValue) ? Number(value, state) : Text(value, state);
        state.BuildText(Math.Max(Width, body.Length));
        int missing = Math.Max(0, Width - PythonText.Length(body));
        switch (Align == '\0' ? (isNumber ? '>' : '<') : Align)
        {
            case '=':
                int signs = body.Length > 0 && body[0] is '+' or '-' or ' ' ? 1 : 0;
                return body[..signs] + new string(Fill, missing) + body[signs..];
            case '>':
                return new string(Fill, missing) + body;
            case '^':
                return new string(Fill, missing / 2) + body + new string(Fill, missing - (missing / 2));
            default:
                return body + new string(Fill, missing);
        }
    }

    private string Text(Value value, RenderState state)
    {
        if (Type is not ('s' or '\0'))
        {
            throw state.Error($"unknown format code '{Type}' for an object of type '{value.TypeName}'");
        }

        string text = ValueText.Of(value, state);
        return Precision is { } most && most < PythonText.Length(text) ? string.Concat(PythonText.Characters(text).Take(most)) : text;
    }

    private string Number(Value value, RenderState state)
    {
        bool isInteger = Arithmetic.IsInteger(value);
        string digits = Type switch
        {
            'd' or 'i' or 'u' or '\0' or 'n' when isInteger => Grouped(BigInteger.Abs(Arithmetic.ToInteger(value)).ToString(CultureInfo.InvariantCulture)),
            'x' or 'X' or 'o' or 'b' when isInteger => Radix(BigInteger.Abs(Arithmetic.ToInteger(value))),
            'f' or 'F' => Grouped(Math.Abs(Arithmetic.ToDouble(value)).ToString("F" + (Precision ?? 6), CultureInfo.InvariantCulture)),
            'e' or 'E' => Scientific(Math.Abs(Arithmetic.ToDouble(value)), Precision ?? 6),
            'g' or 'G' => General(Math.Abs(Arithmetic.ToDouble(value)), Math.Max(1, Precision ?? 6)),
            '%' => (Math.Abs(Arithmetic.ToDouble(value)) * 100).ToString("F" + (Precision ?? 6), CultureInfo.InvariantCulture) + "%",
            '\0' when Precision is { } precision => General(Math.Abs(Arithmetic.ToDouble(value)), Math.Max(1, precision)),
            '\0' => Grouped(ValueText.OfFloat(Math.Abs(Arithmetic.ToDouble(value)))),
            _ => throw state.Error($"unknown format code '{Type}' for an object of type '{value.TypeName}'"),
        };
        bool negative = isInteger ? Arithmetic.ToInteger(value).Sign < 0 : double.IsNegative(Arithmetic.ToDouble(value));
        return (negative ? "-" : Sign == '\0' ? string.Empty : Sign.ToString()) + digits;
    }

    private string Grouped(string digits)
    {
        if (!Thousands)
        {
            return digits;
        }

        int point = digits.IndexOf('.', StringComparison.Ordinal) is var found && found >= 0 ? found : digits.Length;
        for (int at = point - 3; at > 0; at -= 3)
        {
            digits = digits.Insert(at, ",");
        }

        return digits;
    }

    private string Radix(BigInteger number)
    {
        int bits = Type switch { 'o' => 3, 'b' => 1, _ => 4 };
        var digits = new Stack<char>();
        do
        {
            digits.Push("0123456789abcdef"[(int)(number & ((1 << bits) - 1))]);
            number >>= bits;
        }
        while (!number.IsZero);
        string text = (Alternate ? $"0{char.ToLowerInvariant(Type)}" : string.Empty) + string.Concat(digits);
        return Type == 'X' ? text.ToUpperInvariant() : text;
    }

    private string Scientific(double number, int precision)
    {
        string text = number.ToString((char.IsUpper(Type) ? "E" : "e") + precision, CultureInfo.InvariantCulture);
        int sign = text.LastIndexOfAny(['+', '-']);
        return sign < 0 ? text : text[..(sign + 1)] + text[(sign + 1)..].TrimStart('0').PadLeft(2, '0');
    }

    /// <summary>Significant digits without zeros at the end; an exponent below -4 and from the precision on.</summary>
    private string General(double number, int precision)
    {
        string scientific = Scientific(number, precision - 1);
        int mark = scientific.IndexOfAny(['e', 'E']);
        int exponent = mark < 0 ? 0 : int.Parse(scientific.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= precision)
        {
            return Trimmed(scientific[..mark]) + scientific[mark..];
        }

        return Trimmed(number.ToString("F" + Math.Max(0, precision - 1 - exponent), CultureInfo.InvariantCulture));

        static string Trimmed(string digits) => digits.Contains('.', StringComparison.Ordinal) ? digits.TrimEnd('0').TrimEnd('.') : digits;
    }
}
