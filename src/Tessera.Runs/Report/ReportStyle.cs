namespace Tessera.Runs.Report;

/// <summary>
/// The style sheet of a report: light, dark where the reader's system asks for it on a screen, light again on paper. Figures carry
/// the light colours themselves, so that they stand alone as files; on a dark page they are replaced by their counterparts.
/// </summary>
internal static class ReportStyle
{
    // No characters in here that XML escapes: browsers do not unescape the content of a style element.
    private const string Light = """
        :root { color-scheme: light dark; }
        body { margin: 0 auto; max-width: 1140px; padding: 28px 24px 64px; color: #1f2933; background: #ffffff;
          font: 16px/1.55 system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
        h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
        h2 { font-size: 21px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid #e4e8ec; overflow-wrap: anywhere; }
        p { margin: 10px 0; max-width: 75ch; overflow-wrap: anywhere; }
        p.subtitle, figcaption, summary { color: #5b6773; }
        figcaption { font-size: 14px; margin-top: 6px; max-width: 85ch; }
        figcaption .source { display: block; font-style: italic; }
        summary { font-size: 14px; cursor: pointer; margin-top: 6px; }
        nav { margin: 18px 0 0; font-size: 15px; }
        nav a { display: inline-block; margin-right: 18px; }
        a { color: #0072b2; text-decoration: none; }
        a:hover, a:focus { text-decoration: underline; }
        figure { margin: 22px 0; }
        svg { display: block; width: 100%; min-width: 680px; height: auto; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; margin: 14px 0; font-size: 15px; }
        details table { font-size: 13px; }
        th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid #e4e8ec; vertical-align: top; }
        th { color: #5b6773; font-weight: 600; border-bottom: 1px solid #a9b4bf; }
        th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        td { max-width: 60ch; overflow-wrap: break-word; }
        td:first-child { min-width: 8ch; }
        @media (max-width: 600px) { body { padding: 18px 14px 48px; } h1 { font-size: 24px; } }
        @media print { body { max-width: none; padding: 0; font-size: 11pt; } figure, tr { break-inside: avoid; } h2 { break-after: avoid; }
          nav, details { display: none; } svg { min-width: 0; } .scroll { overflow: visible; } table { font-size: 8.5pt; } th, td { padding-right: 8px; } }
        """;

    /// <summary>The whole sheet.</summary>
    internal static string Text { get; } = $$"""
        {{Light}}
        @media screen and (prefers-color-scheme: dark) {
          body { color: {{Palette.DarkOf(Palette.Ink)}}; background: #14181d; }
          h2, th, td { border-color: #2c343d; } th { border-bottom-color: #55606b; }
          p.subtitle, figcaption, summary, th { color: {{Palette.DarkOf(Palette.Faint)}}; }
          a { color: #63b3e6; }
          {{string.Join("\n  ", Palette.Dark.Select(pair =>
              $"svg [fill='{pair.Light}'] {{ fill: {pair.Dark}; }} svg [stroke='{pair.Light}'] {{ stroke: {pair.Dark}; }}"))}}
        }
        """;
}
