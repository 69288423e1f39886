namespace Tessera.Tasks;

/// <summary>Whether a model is asked to reason before it answers.</summary>
public enum ThinkingMode
{
    /// <summary>Reason between tags, then answer: system text <c>detailed thinking on</c>.</summary>
    On,

    /// <summary>Answer at once: system text <c>detailed thinking off</c>.</summary>
    Off,
}

/// <summary>The form of a completion with the reasoning switch: what has to stand where, and where the answer is.</summary>
/// <remarks>
/// On: <c>&lt;think&gt;…&lt;/think&gt;answer</c>, either tag exactly once, the open one first of all. Off: neither tag at all. The
/// rule of the Llama-Nemotron report, section 5.1.
/// </remarks>
public static class ThinkingFormat
{
    /// <summary>The tag in front of the reasoning.</summary>
    public const string Open = "<think>";

    /// <summary>The tag behind the reasoning.</summary>
    public const string Close = "</think>";

    /// <summary>The system text that asks for a mode.</summary>
    public static string SystemText(ThinkingMode mode) => mode == ThinkingMode.On ? "detailed thinking on" : "detailed thinking off";

    /// <summary>Whether a completion has the form that its mode asks for.</summary>
    public static bool IsObeyed(string completion, ThinkingMode mode)
    {
        int opens = Count(completion, Open), closes = Count(completion, Close);
        return mode == ThinkingMode.Off
            ? opens == 0 && closes == 0
            : opens == 1 && closes == 1 && completion.StartsWith(Open, StringComparison.Ordinal);
    }

    /// <summary>
    /// What stands behind the reasoning, trimmed: the whole completion where there is none, nothing where reasoning has not ended.
    /// Where it holds <see cref="AnswerExtractor.Marker"/>, what follows that.
    /// </summary>
    /// <returns>The answer, or null where there is none.</returns>
    public static string? Answer(string completion)
    {
        int close = completion.LastIndexOf(Close, StringComparison.Ordinal);
        if (close < 0 && completion.Contains(Open, StringComparison.Ordinal))
        {
            return null;
        }

        string visible = close < 0 ? completion : completion[(close + Close.Length)..];
        if (visible.Contains(AnswerExtractor.Marker, StringComparison.Ordinal))
        {
            return AnswerExtractor.Extract(visible);
        }

        string answer = visible.Trim();
        return answer.Length == 0 ? null : answer;
    }

    private static int Count(string text, string part)
    {
        int count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
