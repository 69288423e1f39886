using System.Collections.Immutable;
using System.Text.Json;
using Tessera.Devices;

namespace Tessera.Models.Configuration;

/// <summary>
/// Reads <c>config.json</c> of the families of <see cref="ModelFamily"/>, in the spellings of transformers 4 and 5, with the
/// defaults that these give to absent keys. What would change the computation and is not supported is refused.
/// </summary>
public static class ConfigurationReader
{
    private const int PuzzletronHeadDim = 128;

    /// <summary>Reads and checks a configuration.</summary>
    /// <exception cref="InvalidDataException">One sentence "FILE: FIELD is X, expected Y".</exception>
    public static ModelConfiguration Read(string configJsonPath)
    {
        using JsonDocument document = JsonFile.Load(configJsonPath);
        JsonFields root = JsonFields.Root(document, configJsonPath);
        FamilyDialect dialect = ReadFamily(root);
        RequireSilu(root);
        RequireNotQuantised(root);
        int hiddenSize = root.Integer("hidden_size", 4096, 1, ConfigurationLimits.HiddenSize);
        int headCount = root.Integer("num_attention_heads", 32, 1, ConfigurationLimits.Heads);
        int vocabulary = root.Integer("vocab_size", dialect.Vocabulary, 1, ConfigurationLimits.Vocabulary);
        int positions = root.Integer("max_position_embeddings", dialect.Positions, 1, ConfigurationLimits.Positions);
        var (theta, scaling) = RopeReader.Read(root, positions);
        var model = new ModelConfiguration
        {
            Architecture = dialect.Family,
            VocabularySize = vocabulary,
            HiddenSize = hiddenSize,
            HeadCount = headCount,
            HeadDim = root.Has("head_dim")
                ? root.RequiredInteger("head_dim", 1, ConfigurationLimits.HeadDim)
                : DefaultHeadDim(root, dialect, hiddenSize, headCount),
            RmsNormEpsilon = root.Positive("rms_norm_eps", 1e-6),
            RopeTheta = theta,
            RopeScaling = scaling,
            MaxPositions = positions,
            TieEmbeddings = root.Flag("tie_word_embeddings"),
            BosTokenId = ReadBos(root, dialect.Bos, vocabulary),
            EosTokenIds = ReadEos(root, dialect.Eos, vocabulary),
            StorageType = ReadStorageType(root),
            Layers = LayerReader.Read(root, dialect, hiddenSize, headCount),
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

    private static void RequireNotQuantised(JsonFields root)
    {
        if (root.Has("quantization_config"))
        {
            throw root.Fault("quantization_config", "none, since quantised checkpoints are not supported");
        }
    }

    private static FamilyDialect ReadFamily(JsonFields root)
    {
        if (!root.Has("architectures"))
        {
            string? type = root.Text("model_type");
            return FamilyDialect.All.FirstOrDefault(dialect => dialect.ModelType == type)
                ?? throw root.Fault(
                    "model_type",
                    $"{Choice(dialect => $"\"{dialect.ModelType}\"")} where architectures is missing");
        }

        return root.Texts("architectures") is [var name] && FamilyDialect.All.FirstOrDefault(d => d.ClassName == name) is { } found
            ? found
            : throw root.Fault("architectures", Choice(dialect => $"[\"{dialect.ClassName}\"]"));
    }

    private static string Choice(Func<FamilyDialect, string> name) => string.Join(" or ", FamilyDialect.All.Select(name));

    private static int DefaultHeadDim(JsonFields root, FamilyDialect dialect, int hiddenSize, int headCount)
    {
        // Puzzletron's class of the DeciLM form, known by keys that the published one lacks, has a default of its own.
        bool isPuzzletron = dialect.Family == ModelFamily.DeciLm && (root.HasKey("o_proj_bias") || root.HasKey("position_embedding_type"));
        if ((isPuzzletron ? PuzzletronHeadDim : dialect.HeadDim) is { } headDim)
        {
            return headDim;
        }

        return hiddenSize % headCount == 0
            ? hiddenSize / headCount
            : throw root.Fault("num_attention_heads", $"a divisor of hidden_size {hiddenSize}");
    }

    // The defaults of absent keys are left out where the vocabulary has no such token; an explicit null is none.
    private static int? ReadBos(JsonFields root, int? absent, int vocabulary)
    {
        if (!root.HasKey("bos_token_id"))
        {
            return absent < vocabulary ? absent : null;
        }

        return root.Has("bos_token_id") ? root.RequiredInteger("bos_token_id", 0, vocabulary - 1) : null;
    }

    private static ImmutableArray<int> ReadEos(JsonFields root, int? absent, int vocabulary)
    {
        if (!root.HasKey("eos_token_id"))
        {
            return absent is { } eos && eos < vocabulary ? [eos] : [];
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
