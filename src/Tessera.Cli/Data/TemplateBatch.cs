using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Models.Templates;
using Tessera.Runs;

namespace Tessera.Cli.Data;

/// <summary>
/// Renders a file of cases: a line in is one object of template variables, passed as it is, but for <c>now</c>, the clock; a line out
/// is the rendered JSON string, or <c>{"error": …}</c>.
/// </summary>
internal static class TemplateBatch
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Run(ChatFormat format, string input, string output)
    {
        long lines = 0, errors = 0;
        AtomicFile.Write(output, stream => (lines, errors) = Render(format, input, stream));
        Console.Error.WriteLine($"{output}: {lines:N0} lines, {errors:N0} of them errors");
    }

    /// <summary>Renders a file's cases into a stream; gives the numbers of lines and of those that became errors.</summary>
    public static (long Lines, long Errors) Render(ChatFormat format, string input, Stream target)
    {
        long lines = 0, errors = 0;
        using var json = new Utf8JsonWriter(target, Relaxed);
        foreach (var line in LineReader.Read(input))
        {
            string where = $"{input}: line {++lines}";
            var variables = Conversation.Parse(line, where) as JsonObject
                ?? throw new InvalidDataException($"{where} is not a JSON object of template variables");
            errors += Render(format, variables, json) ? 0 : 1;
            json.Flush();
            json.Reset();
            target.WriteByte((byte)'\n');
        }

        return (lines, errors);
    }

    private static bool Render(ChatFormat format, JsonObject variables, Utf8JsonWriter json)
    {
        try
        {
            DateTime? now = TakeNow(variables);
            JsonObject all = format.SpecialTokens;
            foreach ((string name, JsonNode? value) in variables)
            {
                all[name] = value?.DeepClone();
            }

            json.WriteStringValue(format.Template.Render(all, now));
            return true;
        }
        catch (Exception error) when (error is FormatException or InvalidOperationException)
        {
            json.WriteStartObject();
            json.WriteString("error", error.Message);
            json.WriteEndObject();
            return false;
        }
    }

    /// <summary>The clock, which is no variable of the template; an offset is dropped, since templates see local time.</summary>
    private static DateTime? TakeNow(JsonObject variables)
    {
        if (!variables.Remove("now", out JsonNode? now) || now is null)
        {
            return null;
        }

        return now.GetValueKind() == JsonValueKind.String
            && DateTimeOffset.TryParse(now.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset time)
                ? time.DateTime
                : throw new FormatException("now is not an ISO date and time");
    }
}
