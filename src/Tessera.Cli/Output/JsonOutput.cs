using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tessera.Cli.Output;

/// <summary>Results as JSON: snake_case names, text as it is.</summary>
internal static class JsonOutput
{
    private static readonly JsonSerializerOptions Compact = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true, NewLine = "\n" };

    /// <summary>A document as indented text.</summary>
    public static string Text(object document) => JsonSerializer.Serialize(document, Indented);

    /// <summary>Prints a verb's one document.</summary>
    public static void Print(object document) => Console.WriteLine(Text(document));

    /// <summary>One line of JSON lines, without its end.</summary>
    public static string Line(object row) => JsonSerializer.Serialize(row, Compact);
}
