using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.Runs;

namespace Tessera.Cli.Data;

/// <summary>One hash for everything in a model folder that decides what the model answers.</summary>
internal static class ModelHash
{
    /// <summary>Hash of a shape whose weights are drawn.</summary>
    public static string OfDrawn(ModelConfiguration shape, ulong seed) =>
        ContentHash.OfText(FormattableString.Invariant($"drawn with seed {seed}: {shape with { Layers = [] }} {string.Join(' ', shape.Layers)}"));

    /// <summary>Hash of <c>config.json</c>, tokenizer, template and generation files, and every weights file that a loader would open; that of a GGUF file alone.</summary>
    public static string Of(string folder)
    {
        if (GgufModel.IsNamed(folder))
        {
            return ContentHash.OfFile(folder);
        }

        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        // Hashing keeps up with no disk cache on one processor, and a large model has several files.
        return ContentHash.OfNamed(checkpoint.Files.Select(file => file.FilePath).Append(Path.Combine(folder, "config.json"))
            .Concat(ModelFolder.CompanionFiles.Select(name => Path.Combine(folder, name)).Where(File.Exists))
            .AsParallel().AsOrdered().Select(path => KeyValuePair.Create(Path.GetFileName(path), ContentHash.OfFile(path))));
    }
}
