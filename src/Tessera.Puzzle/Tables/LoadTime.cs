namespace Tessera.Puzzle.Tables;

/// <summary>Seconds of a half, or of what is outside the layers, in one load.</summary>
/// <param name="PrefillSeconds">For all prompts; 0 where the load tells only the whole.</param>
/// <param name="DecodeSeconds">For one generation step; 0 where the load tells only the whole.</param>
/// <param name="RunSeconds">For the whole load: prefill + output length · decode.</param>
public readonly record struct LoadTime(double PrefillSeconds, double DecodeSeconds, double RunSeconds)
{
    /// <summary>From the two phases.</summary>
    public static LoadTime OfPhases(double prefillSeconds, double decodeSeconds, int outputLength) =>
        new(prefillSeconds, decodeSeconds, prefillSeconds + (outputLength * decodeSeconds));

    /// <summary>Of a whole run whose phases are not told apart.</summary>
    public static LoadTime OfRun(double seconds) => new(0, 0, seconds);
}
