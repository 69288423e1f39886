using System.Text.Json;
using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Checkpoints;

/// <summary>The tokens of their own with which a model's texts begin.</summary>
public static class BeginTokens
{
    private const string ConfigurationName = "tokenizer_config.json";

    /// <summary>
    /// What the tokenizer's template puts in front; where it says nothing, the bos_token_id of config.json, if the tokenizer knows it
    /// as a control token and its own file does not refuse one.
    /// </summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="model">Its configuration.</param>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="InvalidDataException">tokenizer_config.json is damaged.</exception>
    public static IReadOnlyList<int> Of(Tokenizer tokenizer, ModelConfiguration model, string folder)
    {
        if (tokenizer.PrefixIds.Count > 0)
        {
            return tokenizer.PrefixIds;
        }

        return model.BosTokenId is { } begin && tokenizer.IsSpecial(begin) && AreAdded(folder) ? [begin] : [];
    }

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
