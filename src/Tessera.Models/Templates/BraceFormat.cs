using System.Globalization;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Python's <c>str.format</c>, whose fields reach no further than a template's own attributes and indices.</summary>
internal static class BraceFormat
{
    public static string Apply(string format, Arguments arguments, Evaluator evaluator)
    {
        RenderState state = evaluator.State;
        var text = new StringBuilder();
        int next = 0;
        for (int at = 0; at < format.Length; at++)
        {
            char c = format[at];
            state.RequireLength(text.Length + 1L);
            if (c is '{' or '}' && at + 1 < format.Length && format[at + 1] == c)
            {
                text.Append(c);
                at++;
            }
            else if (c == '{')
            {
                int close = format.IndexOf('}', at);
                string field = close > 0 ? format[(at + 1)..close] : throw state.Error("expected '}' before end of string");
                string part = Field(field);
                state.BuildText((long)text.Length + part.Length);
                text.Append(part);
                at = close;
            }
            else
            {
                text.Append(c == '}' ? throw state.Error("single '}' encountered in format string") : c);
            }
        }

        return text.ToString();

        string Field(string field)
        {
            int colon = field.IndexOf(':', StringComparison.Ordinal);
            string path = colon < 0 ? field : field[..colon];
            int mark = path.IndexOf('!', StringComparison.Ordinal);
            string conversion = mark < 0 ? string.Empty : path[(mark + 1)..];
            Value value = Resolve(mark < 0 ? path : path[..mark]);
            value = conversion switch
            {
                "" => value,
                "s" => Value.Of(ValueText.Of(value, state)),
                "r" => Value.Of(ValueText.Representation(value, state)),
                _ => throw state.Error("unknown conversion in a format"),
            };
            return Specification(colon < 0 ? string.Empty : field[(colon + 1)..]).Apply(value, state);
        }

        Value Resolve(string path)
        {
            int end = path.AsSpan().IndexOfAny('.', '[') is var found && found >= 0 ? found : path.Length;
            string first = path[..end];
            Value value = first.Length == 0 ? Placed(next++)
                : int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? Placed(index)
                : arguments.Named.FirstOrDefault(pair => pair.Key == first).Value ?? throw state.Error("a format names an argument that is missing");
            while (end < path.Length)
            {
                int stop = path[end] == '[' ? path.IndexOf(']', end) : path.AsSpan(end + 1).IndexOfAny('.', '[') + end + 1;
                stop = stop <= end ? path.Length : stop;
                string step = path[(end + 1)..Math.Min(stop, path.Length)];
                bool isIndex = int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
                value = path[end] == '[' && isIndex
                    ? Members.Item(value, Value.Of((System.Numerics.BigInteger)number), evaluator)
                    : Members.Attribute(value, step, evaluator);
                end = path[end] == '[' ? stop + 1 : stop;
            }

            return value;
        }

        Value Placed(int index) =>
            index < arguments.Positional.Count ? arguments.Positional[index] : throw state.Error("a format names an argument that is missing");

        FormatSpecification Specification(string text)
        {
            int at = 0;
            bool filled = text.Length > 1 && "<>^=".Contains(text[1], StringComparison.Ordinal);
            bool aligned = !filled && text.Length > 0 && "<>^=".Contains(text[0], StringComparison.Ordinal);
            char fill = filled ? text[0] : ' ';
            char align = filled ? text[1] : aligned ? text[0] : '\0';
            at = filled ? 2 : aligned ? 1 : 0;
            char sign = at < text.Length && text[at] is '+' or '-' or ' ' ? text[at++] : '\0';
            bool alternate = Skip('#');
            bool zeros = Skip('0') && align == '\0';
            int width = Number() ?? 0;
            bool thousands = Skip(',');
            int? precision = Skip('.') ? Number() : null;
            char type = at < text.Length ? text[at++] : '\0';
            return at == text.Length
                ? new FormatSpecification
                {
                    Fill = zeros ? '0' : fill,
                    Align = zeros ? '=' : align,
                    Sign = sign == '-' ? '\0' : sign,
                    Alternate = alternate,
                    Width = width,
                    Thousands = thousands,
                    Precision = precision,
                    Type = type,
                }
                : throw state.Error("invalid format specifier");

            bool Skip(char c)
            {
                bool found = at < text.Length && text[at] == c;
                at += found ? 1 : 0;
                return found;
            }

            int? Number()
            {
                int start = at;
                while (at < text.Length && char.IsAsciiDigit(text[at]))
                {
                    at++;
                }

                return at == start ? null
                    : int.TryParse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
                    : throw state.Error("a width or precision is too large");
            }
        }
    }
}
