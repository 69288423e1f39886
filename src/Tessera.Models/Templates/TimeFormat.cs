using System.Globalization;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>The directives of C's <c>strftime</c> in the C locale, with the flags of GNU's: <c>-</c>, <c>_</c>, <c>0</c> and <c>^</c>.</summary>
internal static class TimeFormat
{
    public static string Apply(string format, RenderState state)
    {
        var text = new StringBuilder();
        for (int at = 0; at < format.Length; at++)
        {
            if (format[at] != '%' || at + 1 == format.Length)
            {
                text.Append(format[at]);
                continue;
            }

            char flag = "-_0^".Contains(format[at + 1], StringComparison.Ordinal) && at + 2 < format.Length ? format[++at] : '\0';
            char directive = format[++at];
            string part = Directive(directive, state.Now) ?? (flag == '\0' ? $"%{directive}" : $"%{flag}{directive}");
            state.Step();
            text.Append(Flagged(part, flag, directive));
        }

        state.BuildText(text.Length);
        return text.ToString();
    }

    private static string Flagged(string part, char flag, char directive) => flag switch
    {
        '-' when part.Length > 1 && char.IsAsciiDigit(part[0]) => part.TrimStart('0') is { Length: > 0 } rest ? rest : "0",
        '_' when part.Length > 1 && char.IsAsciiDigit(part[0]) => part.TrimStart('0').PadLeft(part.Length),
        '0' when directive is 'e' or 'k' or 'l' => part.Replace(' ', '0'),
        '^' => part.ToUpperInvariant(),
        '-' => part.TrimStart(' '),
        _ => part,
    };

    private static string? Directive(char directive, DateTime time)
    {
        string Format(string net) => time.ToString(net, CultureInfo.InvariantCulture);
        int weekday = (int)time.DayOfWeek;
        int mondayBased = (weekday + 6) % 7;
        return directive switch
        {
            'a' => Format("ddd"),
            'A' => Format("dddd"),
            'b' or 'h' => Format("MMM"),
            'B' => Format("MMMM"),
            'c' => Format("ddd MMM ") + time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + Format(" HH':'mm':'ss yyyy"),
            'C' => (time.Year / 100).ToString("00", CultureInfo.InvariantCulture),
            'd' => Format("dd"),
            'D' or 'x' => Format("MM'/'dd'/'yy"),
            'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'f' => Format("ffffff"),
            'F' => time.Year.ToString(CultureInfo.InvariantCulture) + Format("'-'MM'-'dd"),
            'g' => (ISOWeek.GetYear(time) % 100).ToString("00", CultureInfo.InvariantCulture),
            'G' => ISOWeek.GetYear(time).ToString(CultureInfo.InvariantCulture),
            'H' => Format("HH"),
            'I' => Format("hh"),
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'k' => time.Hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'l' => (((time.Hour + 11) % 12) + 1).ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'm' => Format("MM"),
            'M' => Format("mm"),
            'n' => "\n",
            'p' => Format("tt"),
            'P' => Format("tt").ToLowerInvariant(),
            'r' => Format("hh':'mm':'ss tt"),
            'R' => Format("HH':'mm"),
            's' => new DateTimeOffset(time).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Format("ss"),
            't' => "\t",
            'T' or 'X' => Format("HH':'mm':'ss"),
            'u' => (mondayBased + 1).ToString(CultureInfo.InvariantCulture),
            'U' => ((time.DayOfYear + 6 - weekday) / 7).ToString("00", CultureInfo.InvariantCulture),
            'V' => ISOWeek.GetWeekOfYear(time).ToString("00", CultureInfo.InvariantCulture),
            'w' => weekday.ToString(CultureInfo.InvariantCulture),
            'W' => ((time.DayOfYear + 6 - mondayBased) / 7).ToString("00", CultureInfo.InvariantCulture),
            'y' => Format("yy"),
            'Y' => time.Year.ToString(CultureInfo.InvariantCulture),
            // The clock of a template has no zone.
            'z' or 'Z' => string.Empty,
            '%' => "%",
            _ => null,
        };
    }
}
