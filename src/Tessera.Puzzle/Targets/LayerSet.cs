using System.Globalization;

namespace Tessera.Puzzle.Targets;

/// <summary>Layers as a person lists them: <c>0-3,7</c>, counted from 0.</summary>
public sealed class LayerSet
{
    private readonly List<(int First, int Last)> _ranges = [];

    /// <summary>As written.</summary>
    public string Text { get; private init; } = string.Empty;

    /// <summary>The highest layer that is named.</summary>
    public int Last => _ranges.Max(range => range.Last);

    /// <summary>Reads a list of layers and ranges.</summary>
    /// <returns>Null where the text is not one.</returns>
    public static LayerSet? TryParse(string text)
    {
        var set = new LayerSet { Text = text };
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryNumber(ends[0], out int first) || !TryNumber(ends[^1], out int last) || last < first)
            {
                return null;
            }

            set._ranges.Add((first, last));
        }

        return set;
    }

    /// <summary>Whether a layer is named.</summary>
    public bool Contains(int layer) => _ranges.Exists(range => layer >= range.First && layer <= range.Last);

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
