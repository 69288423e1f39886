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

    /// <summary>Outline of what was chosen.</summary>
    internal const string Mark = "#d55e00";

    // Dark text on a coloured cell stays dark where the page is dark, so it is another colour than the page's ink.
    private const string InkOnPale = "#10161c";

    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#555555"];
    private static readonly (int Red, int Green, int Blue)[] Scale = [(240, 246, 252), (158, 202, 225), (66, 146, 198), (8, 69, 148)];

    /// <summary>Colours of figures, and what they become on a dark page: as far from the ground there as here.</summary>
    internal static IReadOnlyList<(string Light, string Dark)> Dark { get; } =
    [
        (Ink, "#e3e8ee"), (Faint, "#9aa7b4"), (Grid, "#2c343d"), (Empty, "#20262d"),
        ("#0072b2", "#56a8dc"), ("#d55e00", "#f08a3c"), ("#009e73", "#2fbf95"), ("#7a5195", "#b48bd0"), ("#555555", "#b3b3b3"),
    ];

    /// <summary>The counterpart of a colour on a dark page.</summary>
    internal static string DarkOf(string light) => Dark.First(pair => pair.Light == light).Dark;

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
        return (0.299 * red) + (0.587 * green) + (0.114 * blue) > 140 ? InkOnPale : "#ffffff";
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
