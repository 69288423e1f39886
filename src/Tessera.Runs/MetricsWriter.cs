using System.Globalization;
using System.Text.Json;

namespace Tessera.Runs;

/// <summary>
/// The figures of a run, one JSON line a step: <c>{"step":12,"loss":3.25,"tokens_per_second":1810}</c>. Values that are not
/// finite are written as the strings <c>"NaN"</c>, <c>"Infinity"</c> and <c>"-Infinity"</c>.
/// </summary>
public sealed class MetricsWriter : IDisposable
{
    private const string StepName = "step";
    private readonly JsonLinesLog _log;

    private MetricsWriter(JsonLinesLog log) => _log = log;

    /// <summary>Opens a file for appending.</summary>
    /// <param name="path">The file.</param>
    /// <param name="firstStep">
    /// The step that a resumed run does next: rows at or after it, which were written after the checkpoint, are dropped; null keeps all.
    /// </param>
    /// <exception cref="InvalidDataException">A line is not a row; one sentence.</exception>
    public static MetricsWriter Open(string path, long? firstStep = null)
    {
        JsonLinesLog log = JsonLinesLog.Open(path);
        try
        {
            if (firstStep is { } first)
            {
                log.KeepFirst(JsonLinesLog.Read(path).TakeWhile((row, index) => StepOf(path, index, row) < first).Count());
            }

            return new MetricsWriter(log);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>The rows of a file in order.</summary>
    /// <exception cref="InvalidDataException">A line is not a row; one sentence.</exception>
    public static IEnumerable<MetricsRow> Read(string path) =>
        JsonLinesLog.Read(path).Select((row, index) => new MetricsRow(StepOf(path, index, row), ValuesOf(path, index, row)));

    /// <summary>Writes one row.</summary>
    /// <exception cref="ArgumentException">A value is called <c>step</c>.</exception>
    public void Write(long step, IEnumerable<KeyValuePair<string, double>> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        _log.Append(writer =>
        {
            writer.WriteStartObject();
            writer.WriteNumber(StepName, step);
            foreach ((string name, double value) in values)
            {
                WriteValue(writer, name, value);
            }

            writer.WriteEndObject();
        });
    }

    /// <inheritdoc cref="Write(long, IEnumerable{KeyValuePair{string, double}})" />
    public void Write(long step, params ReadOnlySpan<(string Name, double Value)> values)
    {
        var pairs = new KeyValuePair<string, double>[values.Length];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = KeyValuePair.Create(values[i].Name, values[i].Value);
        }

        Write(step, pairs);
    }

    /// <inheritdoc />
    public void Dispose() => _log.Dispose();

    private static void WriteValue(Utf8JsonWriter writer, string name, double value)
    {
        if (name == StepName)
        {
            throw new ArgumentException("A value cannot be called 'step', which is the row's number.", nameof(name));
        }

        if (double.IsFinite(value))
        {
            writer.WriteNumber(name, value);
        }
        else
        {
            writer.WriteString(name, value.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static long StepOf(string path, int index, JsonElement row) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty(StepName, out JsonElement step)
            && step.ValueKind == JsonValueKind.Number && step.TryGetInt64(out long number)
            ? number
            : throw new InvalidDataException($"{path}: line {index + 1} has no whole number 'step'.");

    private static Dictionary<string, double> ValuesOf(string path, int index, JsonElement row)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (JsonProperty property in row.EnumerateObject().Where(property => property.Name != StepName))
        {
            values[property.Name] = property.Value.ValueKind switch
            {
                JsonValueKind.Number => property.Value.GetDouble(),
                JsonValueKind.String when property.Value.GetString() is "NaN" => double.NaN,
                JsonValueKind.String when property.Value.GetString() is "Infinity" => double.PositiveInfinity,
                JsonValueKind.String when property.Value.GetString() is "-Infinity" => double.NegativeInfinity,
                _ => throw new InvalidDataException($"{path}: line {index + 1}, field '{property.Name}' is not a number."),
            };
        }

        return values;
    }
}
