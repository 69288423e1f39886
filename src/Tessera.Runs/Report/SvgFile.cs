using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>A picture as a file of its own, for pages and papers of others.</summary>
public static class SvgFile
{
    private static readonly XNamespace Namespace = "http://www.w3.org/2000/svg";

    /// <summary>The picture as an SVG document on white.</summary>
    public static string ToText(IFigure figure)
    {
        XElement svg = figure.ToSvg();
        foreach (XElement element in svg.DescendantsAndSelf())
        {
            element.Name = Namespace + element.Name.LocalName;
        }

        svg.AddFirst(new XElement(
            Namespace + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"), new XAttribute("fill", "#ffffff")));
        return svg.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    /// <summary>Writes it atomically.</summary>
    /// <exception cref="IOException">The file cannot be written; one sentence.</exception>
    public static void Save(IFigure figure, string path) => AtomicFile.WriteAllText(path, ToText(figure));
}
