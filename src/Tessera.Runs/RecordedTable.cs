using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tessera.Runs;

/// <summary>
/// Records by key that are made once and reused: measured costs, verdicts, rewards. On the disk a <see cref="JsonLinesLog"/>
/// of <c>{"key":…,"value":…}</c>, each flushed to the disk before it is used.
/// </summary>
public sealed class RecordedTable : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, JsonElement> _records = new(StringComparer.Ordinal);
    private readonly JsonLinesLog _log;

    private RecordedTable(JsonLinesLog log) => _log = log;

    /// <summary>Number of records.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _records.Count;
            }
        }
    }

    /// <summary>Hash of all records, independent of the order in which they were made; an input of later stages.</summary>
    public string Hash
    {
        get
        {
            lock (_gate)
            {
                return ContentHash.OfNamed(_records.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.GetRawText())));
            }
        }
    }

    /// <summary>Opens a table with what it holds, or an empty one.</summary>
    /// <exception cref="InvalidDataException">A line is not a record, or a key occurs twice; one sentence.</exception>
    /// <exception cref="IOException">The file cannot be written or another process writes it; one sentence.</exception>
    public static RecordedTable Open(string path)
    {
        var table = new RecordedTable(JsonLinesLog.Open(path, durable: true));
        try
        {
            table.Load(path);
            return table;
        }
        catch
        {
            table.Dispose();
            throw;
        }
    }

    /// <summary>The record of a key, if it was made.</summary>
    public bool TryGet(string key, out JsonElement value)
    {
        lock (_gate)
        {
            return _records.TryGetValue(key, out value);
        }
    }

    /// <summary>
    /// The recorded value of a key, or else the one that <paramref name="make"/> gives, recorded. What is returned has been
    /// through JSON either way, so a resumed run sees exactly what the first saw.
    /// </summary>
    public T GetOrAdd<T>(string key, JsonTypeInfo<T> type, Func<T> make)
    {
        if (!TryGet(key, out JsonElement value))
        {
            value = JsonSerializer.SerializeToElement(make(), type);
            Add(key, value);
        }

        return value.Deserialize(type) ?? throw new InvalidDataException($"{_log.FullPath}: the record '{key}' is null.");
    }

    /// <summary>Records a value.</summary>
    /// <exception cref="ArgumentException">The key is recorded already.</exception>
    public void Add(string key, JsonElement value)
    {
        lock (_gate)
        {
            if (_records.ContainsKey(key))
            {
                throw new ArgumentException($"{_log.FullPath}: the key '{key}' is recorded already.", nameof(key));
            }

            // Through the writer once, so that the text hashed now is the text hashed after a restart.
            JsonElement canonical = JsonSerializer.SerializeToElement(value, JsonElementJson.Default.JsonElement);
            _log.Append(writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("key", key);
                writer.WritePropertyName("value");
                canonical.WriteTo(writer);
                writer.WriteEndObject();
            });
            _records.Add(key, canonical);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _log.Dispose();

    private void Load(string path)
    {
        int line = 0;
        foreach (JsonElement record in JsonLinesLog.Read(path))
        {
            line++;
            if (record.ValueKind != JsonValueKind.Object
                || !record.TryGetProperty("key", out JsonElement key) || key.ValueKind != JsonValueKind.String
                || !record.TryGetProperty("value", out JsonElement value))
            {
                throw new InvalidDataException($"{path}: line {line} is not an object with 'key' and 'value'.");
            }

            if (!_records.TryAdd(key.GetString()!, value))
            {
                throw new InvalidDataException($"{path}: line {line} repeats the key '{key.GetString()}'.");
            }
        }
    }
}
