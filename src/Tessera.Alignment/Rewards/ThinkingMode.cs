namespace Tessera.Alignment.Rewards;

/// <summary>The switch for reasoning, set by the text of the system message.</summary>
public enum ThinkingMode
{
    /// <summary>A trace between the tags, then the answer.</summary>
    On,

    /// <summary>The answer alone.</summary>
    Off,
}

/// <summary>Texts of the switch and the tags around a trace.</summary>
public static class ThinkingSwitch
{
    /// <summary>Opens a trace.</summary>
    public const string OpenTag = "<think>";

    /// <summary>Closes a trace.</summary>
    public const string CloseTag = "</think>";

    /// <summary>The system message of a mode.</summary>
    public static string SystemText(ThinkingMode mode) => mode == ThinkingMode.On ? "detailed thinking on" : "detailed thinking off";
}
