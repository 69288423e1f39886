using System.Globalization;

namespace Tessera.Puzzle.Fusion;

/// <summary>Consecutive layers whose feed-forwards become one: all of them see what the first one sees.</summary>
/// <param name="First">First layer, counted from 0.</param>
/// <param name="Last">Last layer, included.</param>
public readonly record struct FusionRun(int First, int Last)
{
    /// <summary>Layers of the run.</summary>
    public int Count => Last - First + 1;

    /// <summary>Reads runs such as <c>3-6,8-11</c>; a number alone is a run of one layer.</summary>
    /// <exception cref="ArgumentException">A part is not a run; one sentence.</exception>
    public static IReadOnlyList<FusionRun> ParseList(string text) => [.. text.Split(',', StringSplitOptions.TrimEntries).Select(Parse)];

    /// <summary>As it is written on the command line.</summary>
    public override string ToString() =>
        First == Last ? First.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

    private static FusionRun Parse(string text)
    {
        string[] ends = text.Split('-');
        return ends.Length is 1 or 2 && IsLayer(ends[0], out int first) && IsLayer(ends[^1], out int last) && first <= last
            ? new FusionRun(first, last)
            : throw new ArgumentException($"run '{text}': expected FIRST-LAST, two layers counted from 0, such as 3-6");
    }

    private static bool IsLayer(string text, out int layer) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out layer);
}
