using System.Text;

namespace Tessera.Inference;

/// <summary>
/// Passes growing text on until one of several stop texts occurs in it. What could still become a stop text is held back, so
/// no part of one is ever shown.
/// </summary>
public sealed class StopTextFilter
{
    private readonly string[] _stops;
    private readonly StringBuilder _held = new();

    /// <summary>A filter at the beginning of a text.</summary>
    /// <param name="stops">Texts that end the output and are not part of it; compared by code unit.</param>
    /// <exception cref="ArgumentException">One of them is empty.</exception>
    public StopTextFilter(IReadOnlyList<string> stops)
    {
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("a stop text is empty, expected at least one character");
        }
    }

    /// <summary>Whether a stop text has occurred; everything behind it is dropped.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Takes more text and returns what is certain to belong to the output.</summary>
    public string Append(string text)
    {
        if (IsStopped)
        {
            return string.Empty;
        }

        _held.Append(text);
        string all = _held.ToString();
        int stop = FirstStop(all);
        IsStopped = stop >= 0;
        int certain = IsStopped ? stop : all.Length - LongestBeginning(all);
        _held.Remove(0, IsStopped ? all.Length : certain);
        return all[..certain];
    }

    /// <summary>Ends the text and returns what was held back.</summary>
    public string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    private int FirstStop(string text)
    {
        int first = -1;
        foreach (string stop in _stops)
        {
            int found = text.IndexOf(stop, StringComparison.Ordinal);
            first = found >= 0 && (first < 0 || found < first) ? found : first;
        }

        return first;
    }

    private int LongestBeginning(string text) => _stops.Length == 0 ? 0 : _stops.Max(stop => LongestBeginning(text, stop));

    /// <summary>Length of the longest end of <paramref name="text"/> that begins <paramref name="marker"/> without being all of it.</summary>
    internal static int LongestBeginning(string text, string marker)
    {
        for (int length = Math.Min(marker.Length - 1, text.Length); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(marker.AsSpan(0, length)))
            {
                return length;
            }
        }

        return 0;
    }
}
