using System.Globalization;
using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>
/// A report as one HTML file that needs nothing else: styles and pictures are inside, there are no scripts, and the only
/// references are links that its maker asked for. All text is escaped.
/// </summary>
/// <param name="title">Title of the page.</param>
/// <param name="subtitle">One line below it: what was run, when, where.</param>
public sealed class HtmlReport(string title, string subtitle)
{
    // No characters in here that XML escapes: browsers do not unescape the content of a style element.
    private const string Style = """
        body { margin: 0 auto; max-width: 1140px; padding: 32px 24px 64px; color: #1f2933; background: #ffffff;
          font: 16px/1.55 system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
        h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; }
        h2 { font-size: 21px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid #e4e8ec; }
        p { margin: 10px 0; max-width: 75ch; }
        p.subtitle, figcaption { color: #66727f; }
        figcaption { font-size: 14px; margin-top: 4px; }
        nav { margin: 18px 0 0; font-size: 15px; }
        nav a { margin-right: 18px; white-space: nowrap; }
        a { color: #0072b2; text-decoration: none; }
        figure { margin: 22px 0; }
        svg { display: block; width: 100%; height: auto; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; margin: 14px 0; font-size: 15px; }
        th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid #e4e8ec; vertical-align: top; }
        th { color: #66727f; font-weight: 600; border-bottom: 1px solid #a9b4bf; }
        th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        @media print { body { max-width: none; } figure, tr { break-inside: avoid; } nav { display: none; } }
        """;

    private readonly List<string> _sections = [];
    private readonly List<XElement> _content = [];

    /// <summary>Begins a section.</summary>
    public HtmlReport Section(string heading)
    {
        _sections.Add(heading);
        _content.Add(new XElement("h2", new XAttribute("id", Anchor(_sections.Count)), Svg.Clean(heading)));
        return this;
    }

    /// <summary>Adds a paragraph.</summary>
    public HtmlReport Paragraph(string text)
    {
        _content.Add(new XElement("p", Svg.Clean(text)));
        return this;
    }

    /// <summary>Adds a paragraph of links to files that lie beside or below the report.</summary>
    /// <param name="text">Words in front of the links.</param>
    /// <param name="targets">Text and relative path of each; parts of a path are separated by <c>/</c>.</param>
    /// <exception cref="ArgumentException">A path is not relative.</exception>
    public HtmlReport Links(string text, IEnumerable<(string Text, string Path)> targets)
    {
        var paragraph = new XElement("p", Svg.Clean(text));
        foreach ((string label, string path) in targets)
        {
            if (path.StartsWith('/') || Path.IsPathRooted(path))
            {
                throw new ArgumentException($"The link '{path}' must be relative to the report.", nameof(targets));
            }

            // Escaped part by part, so that no colon makes a scheme of the first.
            string address = string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
            paragraph.Add(" ", new XElement("a", new XAttribute("href", address), Svg.Clean(label)));
        }

        _content.Add(paragraph);
        return this;
    }

    /// <summary>Adds a table.</summary>
    public HtmlReport Table(ReportTable table)
    {
        _content.Add(new XElement("div", new XAttribute("class", "scroll"), table.ToHtml()));
        return this;
    }

    /// <summary>Adds a picture with an optional line below it.</summary>
    public HtmlReport Figure(IFigure figure, string? caption = null)
    {
        XElement? line = caption is null ? null : new XElement("figcaption", Svg.Clean(caption));
        _content.Add(new XElement("figure", figure.ToSvg(), line));
        return this;
    }

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var page = new XElement(
            "html",
            new XAttribute("lang", "en"),
            new XElement(
                "head",
                new XElement("meta", new XAttribute("charset", "utf-8")),
                new XElement("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
                new XElement("title", Svg.Clean(title)),
                new XElement("style", Style)),
            new XElement(
                "body",
                new XElement("h1", Svg.Clean(title)),
                new XElement("p", new XAttribute("class", "subtitle"), Svg.Clean(subtitle)),
                Navigation(),
                _content));
        return "<!DOCTYPE html>\n" + page.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    /// <summary>Writes the page atomically.</summary>
    /// <exception cref="IOException">The file cannot be written; one sentence.</exception>
    public void Save(string path) => AtomicFile.WriteAllText(path, ToHtml());

    private static string Anchor(int section) => string.Create(CultureInfo.InvariantCulture, $"section-{section}");

    private XElement? Navigation() => _sections.Count < 3
        ? null
        : new XElement("nav", _sections.Select((heading, index) => new XElement(
            "a", new XAttribute("href", "#" + Anchor(index + 1)), Svg.Clean(heading))));
}
