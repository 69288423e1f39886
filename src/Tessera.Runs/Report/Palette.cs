using System.Globalization;

namespace Tessera.Runs.Report;

/// <summary>
/// Colours of the figures: series that colour-blind readers can tell apart (Okabe and Ito), and one scale from pale to dark.
/// </summary>
internal static class Palette
{
    internal const string Ink = "#1f2933";
    internal const string Faint = "#66727f";
    internal const string Grid = "#e4e8ec";
    internal const string Empty = "#f3f5f7";

    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#555555"];
    private static readonly (int Red, int Green, int Blue)[] Scale = [(240, 246, 252), (158, 202, 225), (66, 146, 198), (8, 69, 148)];

    internal static string Series(int index) => Colours[index % Colours.Length];

    /// <summary>Colour of a share in [0, 1] on the scale.</summary>
    internal static string Shade(double share)
    {
        (int red, int green, int blue) = Mix(share);
        return string.Create(CultureInfo.InvariantCulture, $"#{red:x2}{green:x2}{blue:x2}");
    }

    /// <summary>Ink that can be read on <see cref="Shade"/>.</summary>
    internal static string InkOn(double share)
    {
        (int red, int green, int blue) = Mix(share);
        return (0.299 * red) + (0.587 * green) + (0.114 * blue) > 140 ? Ink : "#ffffff";
    }

    private static (int Red, int Green, int Blue) Mix(double share)
    {
        double position = (double.IsNaN(share) ? 0 : Math.Clamp(share, 0, 1)) * (Scale.Length - 1);
        int lower = Math.Min((int)position, Scale.Length - 2);
        double part = position - lower;
        var (a, b) = (Scale[lower], Scale[lower + 1]);
        return (Between(a.Red, b.Red, part), Between(a.Green, b.Green, part), Between(a.Blue, b.Blue, part));
    }

    private static int Between(int from, int to, double part) => (int)Math.Round(from + ((to - from) * part));
}
