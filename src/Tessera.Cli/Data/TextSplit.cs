namespace Tessera.Cli.Data;

/// <summary>Documents to train on and documents held out.</summary>
/// <param name="Training">Nineteen twentieths.</param>
/// <param name="HeldOut">One twentieth.</param>
internal sealed record TextSplit(IReadOnlyList<string> Training, IReadOnlyList<string> HeldOut)
{
    private const int HoldOutEvery = 20;

    /// <summary>Holds out every twentieth document, or, where there are few, the last twentieth of each.</summary>
    /// <exception cref="InvalidDataException">There is too little text to hold anything out.</exception>
    public static TextSplit Of(IReadOnlyList<string> texts)
    {
        var split = texts.Count >= HoldOutEvery
            ? new TextSplit(
                [.. texts.Where((_, i) => i % HoldOutEvery != HoldOutEvery - 1)],
                [.. texts.Where((_, i) => i % HoldOutEvery == HoldOutEvery - 1)])
            : new TextSplit(
                [.. texts.Select(text => text[..Border(text)])],
                [.. texts.Select(text => text[Border(text)..]).Where(text => text.Length > 0)]);
        return split.HeldOut.Count > 0
            ? split
            : throw new InvalidDataException($"the text has {texts.Sum(text => text.Length)} characters: too few to hold some out");
    }

    private static int Border(string text)
    {
        int border = text.Length - (text.Length / HoldOutEvery);
        return border > 0 && border < text.Length && char.IsLowSurrogate(text[border]) ? border - 1 : border;
    }
}
