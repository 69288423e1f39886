using Tessera.Models.Safetensors;
using Tessera.Runs;

namespace Tessera.Cli.Data;

/// <summary>One hash for configuration and weights of a model folder.</summary>
internal static class ModelHash
{
    /// <summary>Hash of <c>config.json</c>, the tokenizer, and every weights file that a loader would open.</summary>
    public static string Of(string folder)
    {
        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        return ContentHash.OfNamed(checkpoint.Files.Select(file => file.FilePath).Append(Path.Combine(folder, "config.json"))
            .Concat(new[] { Path.Combine(folder, "tokenizer.json") }.Where(File.Exists))
            .Select(path => KeyValuePair.Create(Path.GetFileName(path), ContentHash.OfFile(path))));
    }
}
