using System.Text.Json;

namespace Tessera.Models.Safetensors;

/// <summary>The JSON of a header, token by token: no document is built, so a large header costs its entries only.</summary>
internal static class SafetensorsHeaderParser
{
    private const string MetadataKey = "__metadata__";
    private const int MaximumRank = 16;
    private const int MaximumDepth = 16;

    public static (SafetensorsTensor[] Tensors, IReadOnlyDictionary<string, string> Metadata) Parse(
        ReadOnlySpan<byte> text,
        string path)
    {
        try
        {
            return ParseTokens(text, path);
        }
        catch (JsonException error)
        {
            throw SafetensorsHeader.Bad(
                path,
                $"the header is not valid JSON at line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}");
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair written as an escape: the only string that valid UTF-8 JSON cannot turn into text.
            throw SafetensorsHeader.Bad(path, "the header contains a string that is not valid Unicode");
        }
    }

    private static (SafetensorsTensor[] Tensors, IReadOnlyDictionary<string, string> Metadata) ParseTokens(
        ReadOnlySpan<byte> text,
        string path)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = MaximumDepth });
        var tensors = new List<SafetensorsTensor>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw SafetensorsHeader.Bad(path, "the header is not a JSON object");
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            if (!names.Add(name))
            {
                throw SafetensorsHeader.Bad(path, $"the name {SafetensorsHeader.Quote(name)} appears twice in the header");
            }

            reader.Read();
            if (name == MetadataKey)
            {
                ParseMetadata(ref reader, metadata, path);
            }
            else
            {
                tensors.Add(ParseTensor(ref reader, name, path));
            }
        }

        // Reads to the end, so that anything but white space behind the object is found.
        while (reader.Read())
        {
        }

        return ([.. tensors], metadata);
    }

    private static void ParseMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata, string path)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return;
        }

        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw SafetensorsHeader.Bad(path, "__metadata__ is not an object of strings");
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                throw SafetensorsHeader.Bad(
                    path,
                    $"__metadata__ has a value of {SafetensorsHeader.Quote(key)} that is not a string");
            }

            if (!metadata.TryAdd(key, reader.GetString()!))
            {
                throw SafetensorsHeader.Bad(path, $"__metadata__ has the key {SafetensorsHeader.Quote(key)} twice");
            }
        }
    }

    private static SafetensorsTensor ParseTensor(ref Utf8JsonReader reader, string name, string path)
    {
        if (SafetensorsHeader.NameFault(name) is { } fault)
        {
            throw SafetensorsHeader.Bad(path, fault);
        }

        string quoted = SafetensorsHeader.Quote(name);
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw SafetensorsHeader.Bad(path, $"tensor {quoted} is not described by an object");
        }

        SafetensorsType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            if ((key == "dtype" && type is not null) || (key == "shape" && shape is not null)
                || (key == "data_offsets" && offsets is not null))
            {
                throw SafetensorsHeader.Bad(path, $"tensor {quoted} has {key} twice");
            }

            switch (key)
            {
                case "dtype":
                    type = ParseType(ref reader, quoted, path);
                    break;
                case "shape":
                    shape = ParseIntegers(ref reader, MaximumRank, quoted, "shape", path);
                    break;
                case "data_offsets":
                    offsets = ParseIntegers(ref reader, 2, quoted, "data_offsets", path);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is not { Length: 2 })
        {
            throw SafetensorsHeader.Bad(path, $"tensor {quoted} lacks a dtype, a shape or two data_offsets");
        }

        return new SafetensorsTensor(name, type.Value, shape, offsets[0], offsets[1] - offsets[0]);
    }

    private static SafetensorsType ParseType(ref Utf8JsonReader reader, string quoted, string path)
    {
        string? label = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        if (!SafetensorsTypes.TryParse(label, out SafetensorsType type))
        {
            throw SafetensorsHeader.Bad(
                path,
                $"tensor {quoted} has the dtype {SafetensorsHeader.Quote(label ?? "(not a string)")}, which the format does not know");
        }

        return type;
    }

    private static long[] ParseIntegers(ref Utf8JsonReader reader, int most, string quoted, string field, string path)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw SafetensorsHeader.Bad(path, $"tensor {quoted} has a {field} that is not a list");
        }

        var values = new List<long>(2);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || reader.ValueSpan[0] == (byte)'-' || !reader.TryGetInt64(out long value))
            {
                throw SafetensorsHeader.Bad(
                    path,
                    $"tensor {quoted} has a {field} with a value that is not a whole number from 0 to 2^63-1");
            }

            if (values.Count == most)
            {
                throw SafetensorsHeader.Bad(path, $"tensor {quoted} has a {field} of more than {most} values");
            }

            values.Add(value);
        }

        return [.. values];
    }
}
