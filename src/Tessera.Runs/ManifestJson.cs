using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tessera.Runs;

/// <summary>Generated reading and writing of <see cref="RunManifest"/>, free of reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(RunManifest))]
internal sealed partial class ManifestJson : JsonSerializerContext
{
    internal static RunManifest Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), Default.RunManifest)
                ?? throw new InvalidDataException($"{path}: expected a manifest object, found null.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException(
                $"{path}: not a run manifest, field '{exception.Path ?? "$"}' is missing or malformed.", exception);
        }
    }

    internal static void Write(string path, RunManifest manifest) =>
        AtomicFile.WriteAllText(path, JsonSerializer.Serialize(manifest, Default.RunManifest) + "\n");
}
