using System.Globalization;

namespace Tessera.Runs;

/// <summary>
/// Sizes, durations, counts and ratios as people write them, in the invariant culture. Parsers throw
/// <see cref="InvalidDataException"/> with one sentence that begins with the name of the field.
/// </summary>
public static class HumanUnits
{
    private static readonly (string Name, decimal Factor)[] ByteUnits =
    [
        ("B", 1), ("KB", 1e3m), ("MB", 1e6m), ("GB", 1e9m), ("TB", 1e12m),
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
    ];

    private static readonly (string Name, decimal Factor)[] TickUnits =
    [
        ("us", 10), ("ms", 1e4m), ("s", 1e7m), ("min", 6e8m), ("m", 6e8m), ("h", 3.6e10m), ("d", 8.64e11m),
    ];

    private static readonly (string Name, decimal Factor)[] CountUnits =
    [
        ("", 1), ("K", 1e3m), ("M", 1e6m), ("B", 1e9m), ("T", 1e12m),
    ];

    /// <summary>Bytes of <c>40GiB</c>, <c>512 MiB</c>, <c>1.5 GB</c> or <c>4096</c> (bytes); KB is 1000 and KiB 1024.</summary>
    public static long ParseBytes(string text, string field)
    {
        (decimal number, string unit) = Split(text) ?? throw Wrong(field, text, "a size such as 40GiB, 512 MiB or 4096");
        decimal factor = unit.Length == 0 ? 1 : Factor(ByteUnits, unit, StringComparison.OrdinalIgnoreCase)
            ?? throw Wrong(field, text, "a size such as 40GiB, 512 MiB or 4096");
        return ToLong(number, factor, field, text);
    }

    /// <summary>Bytes in the largest binary unit that leaves at least one: <c>39.6 GiB</c>, <c>512 B</c>.</summary>
    public static string FormatBytes(long bytes)
    {
        string[] names = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        while (Math.Abs(value) >= 1023.95 && unit < names.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {names[unit]}");
    }

    /// <summary>Duration of <c>500ms</c>, <c>2s</c>, <c>1.5 h</c> or <c>1h 30min</c>; a number needs a unit.</summary>
    public static TimeSpan ParseDuration(string text, string field)
    {
        decimal ticks = 0;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        do
        {
            int number = LengthOf(rest, static character => char.IsAsciiDigit(character) || character == '.');
            ReadOnlySpan<char> tail = rest[number..].TrimStart();
            int unit = LengthOf(tail, char.IsAsciiLetter);
            if (ParseNumber(rest[..number]) is not { } value
                || Factor(TickUnits, tail[..unit].ToString(), StringComparison.Ordinal) is not { } factor)
            {
                throw Wrong(field, text, "a duration such as 500ms, 2s or 1h 30min");
            }

            ticks += ToLong(value, factor, field, text);
            rest = tail[unit..].TrimStart();
        }
        while (!rest.IsEmpty);

        return ticks <= long.MaxValue ? TimeSpan.FromTicks((long)ticks) : throw TooLarge(field, text);
    }

    /// <summary>
    /// Duration in one or two units: <c>850 us</c>, <c>12.5 ms</c>, <c>4.2 s</c>, <c>3 min 20 s</c>, <c>2 h 5 min</c>, <c>3 d 4 h</c>.
    /// </summary>
    public static string FormatDuration(TimeSpan duration)
    {
        if (duration < TimeSpan.Zero)
        {
            return "-" + FormatDuration(duration.Negate());
        }

        double seconds = duration.TotalSeconds;
        return seconds switch
        {
            0 => "0 s",
            < 0.0009995 => Number(seconds * 1e6, "0.#") + " us",
            < 0.9995 => Number(seconds * 1e3, seconds < 0.09995 ? "0.#" : "0") + " ms",
            < 59.95 => Number(seconds, "0.#") + " s",
            < 3599.5 => Pair(seconds, 60, "min", 1, "s"),
            < 86370 => Pair(seconds, 3600, "h", 60, "min"),
            _ => Pair(seconds, 86400, "d", 3600, "h"),
        };
    }

    /// <summary>Whole count of <c>1.5M</c>, <c>300K</c>, <c>2B</c> or <c>4096</c>; K, M, B and T are powers of a thousand.</summary>
    public static long ParseCount(string text, string field)
    {
        (decimal number, string unit) = Split(text) ?? throw Wrong(field, text, "a count such as 1.5M, 300K or 4096");
        decimal factor = Factor(CountUnits, unit, StringComparison.OrdinalIgnoreCase)
            ?? throw Wrong(field, text, "a count such as 1.5M, 300K or 4096");
        decimal product = Multiply(number, factor, field, text);
        return decimal.IsInteger(product) ? ToLong(number, factor, field, text) : throw Wrong(field, text, "a whole count");
    }

    /// <summary>Count with three significant digits: <c>950</c>, <c>1.5K</c>, <c>4.61M</c>, <c>8.03B</c>.</summary>
    public static string FormatCount(long count)
    {
        double value = count;
        int unit = 0;
        while (Math.Abs(value) >= 999.5 && unit < CountUnits.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        string format = Math.Abs(value) < 9.995 ? "0.##" : Math.Abs(value) < 99.95 ? "0.#" : "0";
        return Number(value, format) + CountUnits[unit].Name;
    }

    /// <summary>Ratio of <c>2x</c>, <c>150%</c> or <c>1.5</c>.</summary>
    public static double ParseRatio(string text, string field)
    {
        (decimal number, string unit) = Split(text) ?? throw Wrong(field, text, "a ratio such as 2x, 150% or 1.5");
        return unit switch
        {
            "" or "x" => (double)number,
            "%" => (double)(number / 100),
            _ => throw Wrong(field, text, "a ratio such as 2x, 150% or 1.5"),
        };
    }

    /// <summary>Ratio with two decimals: <c>2.17x</c>.</summary>
    public static string FormatRatio(double ratio) => Number(ratio, "0.00") + "x";

    /// <summary>Share as a percentage with one decimal: <c>62.5%</c>.</summary>
    public static string FormatShare(double share) => Number(share * 100, "0.0") + "%";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Pair(double seconds, int large, string largeName, int small, string smallName)
    {
        long units = (long)Math.Round(seconds / small);
        long perLarge = large / small;
        string whole = $"{units / perLarge} {largeName}";
        return units % perLarge == 0 ? whole : $"{whole} {units % perLarge} {smallName}";
    }

    private static (decimal Number, string Unit)? Split(string text)
    {
        ReadOnlySpan<char> trimmed = text.AsSpan().Trim();
        int length = LengthOf(trimmed, static character => char.IsAsciiDigit(character) || character == '.');
        return ParseNumber(trimmed[..length]) is { } number ? (number, trimmed[length..].TrimStart().ToString()) : null;
    }

    private static decimal? ParseNumber(ReadOnlySpan<char> text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number) ? number : null;

    private static int LengthOf(ReadOnlySpan<char> text, Func<char, bool> belongs)
    {
        int length = 0;
        while (length < text.Length && belongs(text[length]))
        {
            length++;
        }

        return length;
    }

    private static decimal? Factor((string Name, decimal Factor)[] units, string unit, StringComparison comparison)
    {
        foreach ((string name, decimal factor) in units)
        {
            if (name.Equals(unit, comparison))
            {
                return factor;
            }
        }

        return null;
    }

    private static decimal Multiply(decimal number, decimal factor, string field, string text) =>
        number <= decimal.MaxValue / factor ? number * factor : throw TooLarge(field, text);

    private static long ToLong(decimal number, decimal factor, string field, string text)
    {
        decimal product = decimal.Round(Multiply(number, factor, field, text));
        return product <= long.MaxValue ? (long)product : throw TooLarge(field, text);
    }

    private static InvalidDataException Wrong(string field, string text, string expected) =>
        new($"{field}: '{text}' is not {expected}.");

    private static InvalidDataException TooLarge(string field, string text) => new($"{field}: '{text}' is too large.");
}
