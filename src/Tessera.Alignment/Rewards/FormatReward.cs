namespace Tessera.Alignment.Rewards;

/// <summary>Whether a response keeps the form that the switch asks for.</summary>
/// <remarks>
/// On: the response begins with the opening tag, holds each tag exactly once, and closes behind it. Off: neither tag occurs.
/// Rule of the Llama-Nemotron training code, made stricter by the place of the opening tag. It multiplies the accuracy: points for
/// form alone would be collected first, and would keep groups alive for the wrong reason.
/// </remarks>
public static class FormatReward
{
    /// <summary>1 or 0.</summary>
    /// <param name="response">Everything the model wrote, special tokens included, without the end of turn.</param>
    /// <param name="mode">What was asked for.</param>
    public static double Of(string response, ThinkingMode mode)
    {
        int opened = Count(response, ThinkingSwitch.OpenTag), closed = Count(response, ThinkingSwitch.CloseTag);
        bool keeps = mode == ThinkingMode.On
            ? opened == 1 && closed == 1 && response.StartsWith(ThinkingSwitch.OpenTag, StringComparison.Ordinal)
            : opened == 0 && closed == 0;
        return keeps ? 1 : 0;
    }

    /// <summary>
    /// The answer in a response: with reasoning the text behind the last closing tag, without it the whole, trimmed; null where
    /// the trace is not closed.
    /// </summary>
    public static string? Answer(string response, ThinkingMode mode)
    {
        if (mode == ThinkingMode.Off)
        {
            return response.Trim();
        }

        int close = response.LastIndexOf(ThinkingSwitch.CloseTag, StringComparison.Ordinal);
        return close < 0 ? null : response[(close + ThinkingSwitch.CloseTag.Length)..].Trim();
    }

    private static int Count(string text, string tag)
    {
        int count = 0;
        for (int at = text.IndexOf(tag, StringComparison.Ordinal); at >= 0; at = text.IndexOf(tag, at + tag.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
