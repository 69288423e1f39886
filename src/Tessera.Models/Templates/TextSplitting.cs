namespace Tessera.Models.Templates;

/// <summary>The ways that strings come apart.</summary>
internal static class TextSplitting
{
    public static ListValue ToList(BuiltinCall call, IReadOnlyCollection<string> parts)
    {
        call.State.BuildList(parts.Count);
        call.State.Build(parts.Sum(part => (long)part.Length));
        return new ListValue([.. parts.Select(Value.Of)]);
    }

    public static Value Split(BuiltinCall call, bool fromRight)
    {
        string text = call.SelfText;
        int most = call.Integer(1, -1);
        call.State.Scan(text.Length);
        if (call.Given(0) is null)
        {
            return ToList(call, fromRight ? AtBlanksFromRight(text, most) : AtBlanks(text, most));
        }

        string separator = call.RequireText(0, "the separator");
        if (separator.Length == 0)
        {
            throw call.State.Error("empty separator");
        }

        var places = (fromRight ? TextSearch.AllFromRight(text, separator, call.State) : TextSearch.All(text, separator, call.State))
            .Take(most < 0 ? int.MaxValue : most).ToList();
        places.Sort();
        var parts = new List<string>();
        int start = 0;
        foreach (int at in places)
        {
            parts.Add(text[start..at]);
            start = at + separator.Length;
        }

        parts.Add(text[start..]);
        return ToList(call, parts);
    }

    public static Value Partition(BuiltinCall call, bool fromRight)
    {
        string text = call.SelfText;
        string separator = call.RequireText(0, "the separator");
        if (separator.Length == 0)
        {
            throw call.State.Error("empty separator");
        }

        int at = fromRight ? TextSearch.Last(text, separator, call.State) : TextSearch.First(text, separator, call.State);
        string[] parts = at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]]
            : fromRight ? [string.Empty, string.Empty, text]
            : [text, string.Empty, string.Empty];
        return new ListValue(ToList(call, parts).Items, isTuple: true);
    }

    private static List<string> AtBlanks(string text, int most)
    {
        var parts = new List<string>();
        int at = 0;
        while (true)
        {
            while (at < text.Length && PythonText.IsSpace(text[at]))
            {
                at++;
            }

            if (at == text.Length)
            {
                return parts;
            }

            if (parts.Count == most)
            {
                parts.Add(text[at..]);
                return parts;
            }

            int start = at;
            while (at < text.Length && !PythonText.IsSpace(text[at]))
            {
                at++;
            }

            parts.Add(text[start..at]);
        }
    }

    private static List<string> AtBlanksFromRight(string text, int most)
    {
        var parts = new List<string>();
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PythonText.IsSpace(text[end - 1]))
            {
                end--;
            }

            if (end == 0)
            {
                break;
            }

            if (parts.Count == most)
            {
                parts.Add(text[..end]);
                break;
            }

            int last = end;
            while (end > 0 && !PythonText.IsSpace(text[end - 1]))
            {
                end--;
            }

            parts.Add(text[end..last]);
        }

        parts.Reverse();
        return parts;
    }
}
