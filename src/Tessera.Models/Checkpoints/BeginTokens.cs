using System.Text.Json;
using Tessera.Models.Configuration;

namespace Tessera.Models.Checkpoints;

/// <summary>Whether a model's texts begin with a token of their own.</summary>
public static class BeginTokens
{
    private const string ConfigurationName = "tokenizer_config.json";

    /// <summary>
    /// False where tokenizer_config.json says so: <c>add_bos_token</c> is false, or <c>bos_token</c> is null, as in Qwen's files,
    /// whose config.json names a first token all the same.
    /// </summary>
    /// <param name="folder">The model's folder; the file may be missing.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static bool AreAdded(string folder)
    {
        string path = Path.Combine(folder, ConfigurationName);
        if (!File.Exists(path))
        {
            return true;
        }

        using JsonDocument document = JsonFile.Load(path);
        JsonFields root = JsonFields.Root(document, path);
        bool refuses = root.Has("add_bos_token") && !root.Flag("add_bos_token");
        return !refuses && (!root.HasKey("bos_token") || root.Has("bos_token"));
    }
}
