using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>SVG elements with invariant numbers; text is escaped by the XML writer and freed of characters that XML forbids.</summary>
internal static class Svg
{
    /// <summary>Width of every figure in user units; the page scales it.</summary>
    internal const double Width = 900;

    internal const double FontSize = 13;

    // Helvetica-like faces average a little over half an em a character; labels need an estimate, not a measurement.
    private const double CharacterWidth = 0.56;

    internal static XElement Root(double height, string title) => new(
        "svg",
        new XAttribute("viewBox", $"0 0 {Number(Width)} {Number(height)}"),
        new XAttribute("role", "img"),
        new XAttribute("font-family", "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"),
        new XAttribute("font-size", Number(FontSize)),
        new XElement("title", Clean(title)),
        Text(0, 18, title, Palette.Ink, size: 16, weight: "600"));

    internal static XElement Line(double x1, double y1, double x2, double y2, string colour, double width = 1) => new(
        "line",
        new XAttribute("x1", Number(x1)),
        new XAttribute("y1", Number(y1)),
        new XAttribute("x2", Number(x2)),
        new XAttribute("y2", Number(y2)),
        new XAttribute("stroke", colour),
        new XAttribute("stroke-width", Number(width)));

    internal static XElement Rectangle(double x, double y, double width, double height, string fill, string? tooltip = null) => new(
        "rect",
        new XAttribute("x", Number(x)),
        new XAttribute("y", Number(y)),
        new XAttribute("width", Number(Math.Max(0, width))),
        new XAttribute("height", Number(Math.Max(0, height))),
        new XAttribute("fill", fill),
        Tooltip(tooltip));

    /// <summary>A frame without a filling.</summary>
    internal static XElement Frame(double x, double y, double width, double height, string colour)
    {
        XElement frame = Rectangle(x, y, width, height, "none");
        frame.Add(new XAttribute("stroke", colour), new XAttribute("stroke-width", "2.4"));
        return frame;
    }

    internal static XElement Circle(double x, double y, double radius, string fill, string? tooltip = null) => new(
        "circle",
        new XAttribute("cx", Number(x)),
        new XAttribute("cy", Number(y)),
        new XAttribute("r", Number(radius)),
        new XAttribute("fill", fill),
        Tooltip(tooltip));

    internal static XElement Path(IEnumerable<(double X, double Y)> points, string colour, string? dashes = null)
    {
        var data = new StringBuilder();
        foreach ((double x, double y) in points)
        {
            data.Append(data.Length == 0 ? 'M' : 'L').Append(Number(x)).Append(' ').Append(Number(y));
        }

        return new XElement(
            "path",
            new XAttribute("d", data.ToString()),
            new XAttribute("fill", "none"),
            new XAttribute("stroke", colour),
            new XAttribute("stroke-width", "1.8"),
            new XAttribute("stroke-linejoin", "round"),
            dashes is null ? null : new XAttribute("stroke-dasharray", dashes));
    }

    /// <summary>Text whose anchor (start, middle, end) is at x and whose baseline is at y.</summary>
    internal static XElement Text(
        double x, double y, string text, string colour, string anchor = "start", double size = FontSize, string weight = "400") => new(
        "text",
        new XAttribute("x", Number(x)),
        new XAttribute("y", Number(y)),
        new XAttribute("fill", colour),
        new XAttribute("text-anchor", anchor),
        new XAttribute("font-size", Number(size)),
        new XAttribute("font-weight", weight),
        Clean(text));

    internal static XElement Rotated(XElement text, double degrees, double x, double y)
    {
        text.SetAttributeValue("transform", $"rotate({Number(degrees)} {Number(x)} {Number(y)})");
        return text;
    }

    internal static double TextWidth(string text, double size = FontSize) => text.Length * size * CharacterWidth;

    internal static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>The text with U+FFFD for control characters and lone surrogates, which no XML or HTML file may hold.</summary>
    internal static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            clean.Append(rune.Value > char.MaxValue || XmlConvert.IsXmlChar((char)rune.Value) ? rune.ToString() : "\uFFFD");
        }

        return clean.ToString();
    }

    private static XElement? Tooltip(string? text) => text is null ? null : new XElement("title", Clean(text));
}
