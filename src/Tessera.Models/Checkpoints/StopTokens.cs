using System.Collections.Immutable;
using System.Text.Json;
using Tessera.Models.Configuration;

namespace Tessera.Models.Checkpoints;

/// <summary>The tokens that end a text, as a model's folder gives them.</summary>
public static class StopTokens
{
    private const string GenerationName = "generation_config.json";

    /// <summary>
    /// The <c>eos_token_id</c> of config.json and of generation_config.json together: published chat models keep the end of a
    /// turn in one and the end of a text in the other.
    /// </summary>
    /// <param name="folder">The model's folder; generation_config.json may be missing.</param>
    /// <param name="configuration">Its configuration.</param>
    /// <returns>Distinct ids, those of config.json first.</returns>
    /// <exception cref="InvalidDataException">generation_config.json is damaged or holds an id outside the vocabulary.</exception>
    public static ImmutableArray<int> Read(string folder, ModelConfiguration configuration)
    {
        string path = Path.Combine(folder, GenerationName);
        if (!File.Exists(path))
        {
            return configuration.EosTokenIds;
        }

        using JsonDocument document = JsonFile.Load(path);
        JsonFields root = JsonFields.Root(document, path);
        IEnumerable<int> further = root.Has("eos_token_id")
            ? root.Integers("eos_token_id", 0, configuration.VocabularySize - 1, ConfigurationLimits.EosTokens)
            : [];
        return [.. configuration.EosTokenIds.Concat(further).Distinct()];
    }
}
