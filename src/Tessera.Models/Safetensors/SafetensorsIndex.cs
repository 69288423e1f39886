using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Models.Configuration;

namespace Tessera.Models.Safetensors;

/// <summary>File names of a model's weights, and the index that says which shard holds a tensor.</summary>
internal static class SafetensorsIndex
{
    public const string SingleName = "model.safetensors";
    public const string IndexName = "model.safetensors.index.json";
    private const int MaximumShards = 10_000;
    private static readonly SearchValues<char> ForbiddenInPaths = SearchValues.Create("\\:");

    public static string ShardName(int number, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"model-{number:D5}-of-{count:D5}.safetensors");

    /// <summary>Tensor name to relative file name, with safe file names.</summary>
    public static Dictionary<string, string> Read(string path)
    {
        using JsonDocument document = JsonFile.Load(path);
        JsonFields map = JsonFields.Root(document, path).Object("weight_map")
            ?? throw new InvalidDataException($"{path}: weight_map is missing, expected an object of tensor names and files");
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        var files = new HashSet<string>(StringComparer.Ordinal);
        foreach (string tensor in map.Names())
        {
            string file = map.Text(tensor) ?? throw map.Fault(tensor, "a file name");
            if (files.Add(file) && !IsSafe(file))
            {
                throw map.Fault(tensor, "a file inside the folder, without '..', backslash or drive");
            }

            result.Add(tensor, file);
        }

        return files.Count <= MaximumShards
            ? result
            : throw new InvalidDataException($"{path}: weight_map names {files.Count} files, expected at most {MaximumShards}");
    }

    public static void Write(string path, IReadOnlyDictionary<string, string> map, long totalBytes)
    {
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        AtomicReplacement.Write(path, 0, stream =>
        {
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer, options))
            {
                json.WriteStartObject();
                json.WriteStartObject("metadata");
                json.WriteNumber("total_size", totalBytes);
                json.WriteEndObject();
                json.WriteStartObject("weight_map");
                foreach ((string name, string file) in map)
                {
                    json.WriteString(name, file);
                }

                json.WriteEndObject();
                json.WriteEndObject();
            }

            buffer.WriteByte((byte)'\n');
            stream.Write(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
        });
    }

    /// <summary>
    /// Deletes weight files of our naming that are not in <paramref name="written"/>; the index first, since without
    /// it the shards mean nothing, and with it loaders would prefer an old cut.
    /// </summary>
    public static void RemoveOthers(string folder, HashSet<string> written)
    {
        string[] shards =
        [
            .. Directory.EnumerateFiles(folder, "model-*-of-*.safetensors").Select(file => Path.GetFileName(file)).Where(IsShardName),
        ];
        foreach (string file in (string[])[IndexName, SingleName, .. shards])
        {
            if (!written.Contains(file))
            {
                File.Delete(Path.Combine(folder, file));
            }
        }
    }

    private static bool IsShardName(string file) =>
        file.Length == "model-00001-of-00002.safetensors".Length
        && int.TryParse(file.AsSpan(6, 5), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        && int.TryParse(file.AsSpan(15, 5), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
        && file == ShardName(number, count);

    /// <summary>Whether a file name of a stranger stays inside the folder that it is relative to.</summary>
    public static bool IsSafe(string file) =>
        file.Length is > 0 and <= 1024
        && !file.AsSpan().ContainsAny(ForbiddenInPaths)
        && !file.AsSpan().ContainsAnyInRange('\u0000', '\u001f')
        && file.Split('/').All(part => part is not ("" or "." or ".."));
}
