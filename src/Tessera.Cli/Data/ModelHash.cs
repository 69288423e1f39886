using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.Runs;

namespace Tessera.Cli.Data;

/// <summary>One hash for everything in a model folder that decides what the model answers.</summary>
internal static class ModelHash
{
    /// <summary>Hash of <c>config.json</c>, tokenizer, template and generation files, and every weights file that a loader would open; that of a GGUF file alone.</summary>
    public static string Of(string folder)
    {
        if (GgufModel.IsNamed(folder))
        {
            return ContentHash.OfFile(folder);
        }

        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        return ContentHash.OfNamed(checkpoint.Files.Select(file => file.FilePath).Append(Path.Combine(folder, "config.json"))
            .Concat(ModelFolder.CompanionFiles.Select(name => Path.Combine(folder, name)).Where(File.Exists))
            .Select(path => KeyValuePair.Create(Path.GetFileName(path), ContentHash.OfFile(path))));
    }
}
