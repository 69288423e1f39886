using System.Collections.Immutable;
using System.Text.Json;
using Tessera.Devices;

namespace Tessera.Models.Configuration;

/// <summary>
/// Reads <c>config.json</c> of <c>LlamaForCausalLM</c> and of <c>DeciLMForCausalLM</c> (Nemotron-NAS), with the defaults
/// that transformers gives to absent keys. What would change the computation and is not supported is refused.
/// </summary>
public static class ConfigurationReader
{
    private const string LlamaClass = "LlamaForCausalLM";
    private const string DeciLmClass = "DeciLMForCausalLM";

    /// <summary>Reads and checks a configuration.</summary>
    /// <exception cref="InvalidDataException">One sentence "FILE: FIELD is X, expected Y".</exception>
    public static ModelConfiguration Read(string configJsonPath)
    {
        using JsonDocument document = JsonFile.Load(configJsonPath);
        JsonFields root = JsonFields.Root(document, configJsonPath);
        ModelFamily family = ReadFamily(root);
        RequireSilu(root);
        root.Refuse("attention_bias", "false, since biases are not supported");
        root.Refuse("mlp_bias", "false, since biases are not supported");
        int hiddenSize = root.Integer("hidden_size", 4096, 1, ConfigurationLimits.HiddenSize);
        int headCount = root.Integer("num_attention_heads", 32, 1, ConfigurationLimits.Heads);
        int vocabulary = root.Integer("vocab_size", 32_000, 1, ConfigurationLimits.Vocabulary);
        int positions = root.Integer("max_position_embeddings", 2048, 1, ConfigurationLimits.Positions);
        var (theta, scaling) = RopeReader.Read(root, positions);
        var model = new ModelConfiguration
        {
            Architecture = family,
            VocabularySize = vocabulary,
            HiddenSize = hiddenSize,
            HeadCount = headCount,
            HeadDim = root.Has("head_dim")
                ? root.RequiredInteger("head_dim", 1, ConfigurationLimits.HeadDim)
                : DefaultHeadDim(root, hiddenSize, headCount),
            RmsNormEpsilon = root.Positive("rms_norm_eps", 1e-6),
            RopeTheta = theta,
            RopeScaling = scaling,
            MaxPositions = positions,
            TieEmbeddings = root.Flag("tie_word_embeddings"),
            BosTokenId = ReadBos(root, vocabulary),
            EosTokenIds = ReadEos(root, vocabulary),
            StorageType = ReadStorageType(root),
            Layers = family == ModelFamily.Llama ? UniformLayers(root, headCount) : ListedLayers(root, hiddenSize, headCount),
        };
        model.Validate(configJsonPath);
        return model;
    }

    internal static void RequireSilu(JsonFields fields)
    {
        if (fields.Text("hidden_act") is not (null or "silu"))
        {
            throw fields.Fault("hidden_act", "\"silu\", the only activation that is supported");
        }
    }

    private static ModelFamily ReadFamily(JsonFields root)
    {
        const string Expected = $"[\"{LlamaClass}\"] or [\"{DeciLmClass}\"]";
        if (!root.Has("architectures"))
        {
            return root.Text("model_type") switch
            {
                "llama" => RequirePlain(root),
                "nemotron-nas" => ModelFamily.DeciLm,
                _ => throw root.Fault("model_type", "\"llama\" or \"nemotron-nas\" where architectures is missing"),
            };
        }

        List<string> classes = root.Texts("architectures");
        return classes switch
        {
            [LlamaClass] => RequirePlain(root),
            [DeciLmClass] => ModelFamily.DeciLm,
            _ => throw root.Fault("architectures", Expected),
        };
    }

    // A Llama class with per-layer lists is another dialect, whose lists must not be dropped in silence.
    private static ModelFamily RequirePlain(JsonFields root)
    {
        foreach (string key in (string[])["block_configs", "per_layer_config"])
        {
            if (root.Has(key))
            {
                throw root.Fault(key, $"no such list in a {LlamaClass}");
            }
        }

        return ModelFamily.Llama;
    }

    private static int DefaultHeadDim(JsonFields root, int hiddenSize, int headCount) =>
        hiddenSize % headCount == 0
            ? hiddenSize / headCount
            : throw root.Fault("num_attention_heads", $"a divisor of hidden_size {hiddenSize}");

    private static ImmutableArray<LayerConfiguration> UniformLayers(JsonFields root, int headCount)
    {
        int count = root.Integer("num_hidden_layers", 32, 1, ConfigurationLimits.Layers);
        int width = root.Integer("intermediate_size", 11_008, 1, ConfigurationLimits.FeedForwardWidth);
        int kvHeads = root.Has("num_key_value_heads") ? root.RequiredInteger("num_key_value_heads", 1, headCount) : headCount;
        if (headCount % kvHeads != 0)
        {
            throw root.Fault("num_key_value_heads", $"a divisor of num_attention_heads {headCount}");
        }

        var layer = new LayerConfiguration(new AttentionConfiguration(kvHeads), new SwiGluConfiguration(width));
        return [.. Enumerable.Repeat(layer, count)];
    }

    private static ImmutableArray<LayerConfiguration> ListedLayers(JsonFields root, int hiddenSize, int headCount)
    {
        if (!root.HasKey("block_configs"))
        {
            throw root.Fault("block_configs", $"a list of one object a layer in a {DeciLmClass}");
        }

        ImmutableArray<LayerConfiguration> layers = BlockConfigsReader.Read(root, hiddenSize, headCount);
        int count = root.Integer("num_hidden_layers", layers.Length, 1, ConfigurationLimits.Layers);
        return count == layers.Length ? layers : throw root.Fault("num_hidden_layers", $"{layers.Length}, the length of block_configs");
    }

    // The defaults of absent keys are left out where the vocabulary has no such token; an explicit null is none.
    private static int? ReadBos(JsonFields root, int vocabulary)
    {
        if (!root.HasKey("bos_token_id"))
        {
            return vocabulary > 1 ? 1 : null;
        }

        return root.Has("bos_token_id") ? root.RequiredInteger("bos_token_id", 0, vocabulary - 1) : null;
    }

    private static ImmutableArray<int> ReadEos(JsonFields root, int vocabulary)
    {
        if (!root.HasKey("eos_token_id"))
        {
            return vocabulary > 2 ? [2] : [];
        }

        return [.. root.Integers("eos_token_id", 0, vocabulary - 1, ConfigurationLimits.EosTokens)];
    }

    private static DType ReadStorageType(JsonFields root)
    {
        string key = root.Has("dtype") ? "dtype" : "torch_dtype";
        return root.Text(key) switch
        {
            null or "float32" or "float16" => DType.F32,
            "bfloat16" => DType.BF16,
            _ => throw root.Fault(key, "\"float32\", \"bfloat16\" or \"float16\""),
        };
    }
}
