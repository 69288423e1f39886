using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>A picture of a report that draws itself as one SVG element without references to anything outside.</summary>
public interface IFigure
{
    /// <summary>What the picture shows, drawn above it and read out to those who cannot see it.</summary>
    string Title { get; }

    /// <summary>The picture.</summary>
    XElement ToSvg();
}
