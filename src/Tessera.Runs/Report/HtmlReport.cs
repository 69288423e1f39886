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
        _content.Add(Scrolling("Table", table.ToHtml()));
        return this;
    }

    /// <summary>Adds a picture with an optional line below it.</summary>
    public HtmlReport Figure(IFigure figure, string? caption = null) => Figure(figure, caption, source: null, data: null);

    /// <summary>Adds a picture, what is seen in it, where its idea comes from, and its numbers as a table that opens on request.</summary>
    /// <param name="figure">The picture.</param>
    /// <param name="caption">What is seen; null for nothing.</param>
    /// <param name="source">What it answers to in the literature; null for nothing.</param>
    /// <param name="data">Its numbers for those who cannot see it, or want them all; null for none.</param>
    public HtmlReport Figure(IFigure figure, string? caption, string? source, ReportTable? data)
    {
        XElement? origin = source is null ? null : new XElement("span", new XAttribute("class", "source"), Svg.Clean(source));
        XElement? line = caption is null && origin is null ? null : new XElement("figcaption", Svg.Clean(caption ?? string.Empty), origin);
        XElement? numbers = data is null ? null : new XElement(
            "details", new XElement("summary", Svg.Clean($"{figure.Title}: the numbers")), Scrolling(figure.Title, data.ToHtml()));
        _content.Add(new XElement("figure", Scrolling(figure.Title, figure.ToSvg()), line, numbers));
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
                new XElement("style", ReportStyle.Text)),
            new XElement(
                "body",
                new XElement("h1", Svg.Clean(title)),
                new XElement("p", new XAttribute("class", "subtitle"), Svg.Clean(subtitle)),
                Navigation(),
                new XElement("main", string.Empty, _content)));
        return "<!DOCTYPE html>\n" + page.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    /// <summary>Writes the page atomically.</summary>
    /// <exception cref="IOException">The file cannot be written; one sentence.</exception>
    public void Save(string path) => AtomicFile.WriteAllText(path, ToHtml());

    /// <summary>What is wider than a narrow window moves inside a box of its own, which the keyboard reaches.</summary>
    private static XElement Scrolling(string name, XElement content) => new(
        "div", new XAttribute("class", "scroll"), new XAttribute("tabindex", "0"), new XAttribute("role", "region"),
        new XAttribute("aria-label", Svg.Clean(name)), content);

    private static string Anchor(int section) => string.Create(CultureInfo.InvariantCulture, $"section-{section}");

    private XElement? Navigation() => _sections.Count < 3
        ? null
        : new XElement("nav", new XAttribute("aria-label", "Contents"), _sections.Select((heading, index) => new XElement(
            "a", new XAttribute("href", "#" + Anchor(index + 1)), Svg.Clean(heading))));
}
