using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Configuration;

/// <summary>
/// Writes <c>config.json</c> in the form that other software knows best: where every layer has the same attention and SwiGLU,
/// as the model's own family or the first that can say it; else as <c>DeciLMForCausalLM</c> with <c>block_configs</c>; and
/// where that form lacks a part of the layers (head norms, biases of queries, keys and values alone), as the family that has it
/// with <c>block_configs</c> beside its own keys, Puzzletron's AnyModel form. So it is where layers differ in their query heads, which stand
/// as <c>num_attention_heads</c> in their blocks; other software has no place for that.
/// </summary>
/// <remarks>
/// The old keys (<c>rope_theta</c>, <c>rope_scaling</c>, <c>torch_dtype</c>) are used, which both old and new readers know. Numbers
/// that readers expect to be floats always have a decimal point. A width that no <c>ffn_mult</c> gives is written as
/// <c>intermediate_size</c> in that block, without <c>ffn_mult</c>; other software then needs a configuration class that knows it.
/// </remarks>
public static partial class ConfigurationWriter
{
    /// <summary>Creates or replaces a file, atomically.</summary>
    /// <exception cref="InvalidDataException">The configuration breaks a limit, or no form can say what its layers are.</exception>
    public static void Write(ModelConfiguration model, string path)
    {
        model.Validate(path);
        LayerParts parts = LayerParts.Of(model)
            ?? throw new InvalidDataException($"{path}: layers differ in biases or head norms, which no form of config.json can say: {Kinds(model)}");
        (FamilyDialect dialect, bool alike) = Choose(model, parts)
            ?? throw new InvalidDataException(
                $"{path}: no form of config.json can say these biases, norms and windows together: {Kinds(model)}");
        using var buffer = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            WriteStrings(json, "architectures", dialect.ClassName);
            json.WriteString("model_type", dialect.ModelType);
            if (dialect.Family == ModelFamily.DeciLm)
            {
                WriteDeciLm(json, model);
            }
            else
            {
                WriteFamily(json, model, alike);
            }

            WriteWindows(json, model, dialect.Windows);
            WriteShared(json, model, dialect, parts);
            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        AtomicReplacement.Write(path, 0, stream => stream.Write(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    /// <summary>Every kind of layer by the number of the first that is so.</summary>
    private static string Kinds(ModelConfiguration model) =>
        string.Join(", ", model.Layers.Distinct().Select(layer => $"layer {model.Layers.IndexOf(layer)} has {layer}"));

    private static (FamilyDialect Dialect, bool Alike)? Choose(ModelConfiguration model, LayerParts parts)
    {
        LayerConfiguration first = model.Layers[0];
        bool alike = first is { Mixer: AttentionConfiguration a, FeedForward: SwiGluConfiguration f }
            && model.Layers.All(layer => layer.Mixer is AttentionConfiguration mixer && mixer.KvHeadCount == a.KvHeadCount && mixer.QueryHeadCount is null
                && layer.FeedForward is SwiGluConfiguration ffn && ffn.Width == f.Width);
        int[] windows = [.. model.Layers.Select(layer => layer.Mixer).OfType<AttentionConfiguration>().Select(mixer => mixer.Window ?? 0)];
        FamilyDialect[] families =
        [
            .. FamilyDialect.All.Where(dialect => dialect.Family != ModelFamily.DeciLm)
                .OrderBy(dialect => dialect.Family == model.Architecture ? 0 : 1)
                .Where(dialect => dialect.Expresses(parts) && Expresses(dialect.Windows, windows)),
        ];
        if (alike && families.Length > 0)
        {
            return (families[0], true);
        }

        FamilyDialect listed = FamilyDialect.Of(ModelFamily.DeciLm);
        bool hasOwnHeads = model.Layers.Any(layer => layer.Mixer is AttentionConfiguration { QueryHeadCount: not null });
        return listed.Expresses(parts) && !hasOwnHeads ? (listed, false) : families.Length > 0 ? (families[0], false) : null;
    }

    private static bool Expresses(WindowRule rule, int[] windows) => rule switch
    {
        WindowRule.None => windows.All(window => window == 0),
        WindowRule.Everywhere => windows.Distinct().Count() <= 1,
        _ => windows.Where(window => window != 0).Distinct().Count() <= 1,
    };

    private static void WriteFamily(Utf8JsonWriter json, ModelConfiguration model, bool alike)
    {
        if (!alike)
        {
            WriteBlocks(json, model, literally: true);
        }

        IEnumerable<LayerConfiguration> layers = model.Layers;
        json.WriteNumber("intermediate_size", layers.Max(layer => (layer.FeedForward as SwiGluConfiguration)?.Width ?? 1));
        json.WriteNumber("num_key_value_heads", layers.Max(layer => layer.Mixer is AttentionConfiguration { QueryHeadCount: null } attention ? attention.KvHeadCount : 1));
    }

    private static void WriteWindows(Utf8JsonWriter json, ModelConfiguration model, WindowRule rule)
    {
        if (rule == WindowRule.None)
        {
            return;
        }

        int?[] windows = [.. model.Layers.Select(layer => (layer.Mixer as AttentionConfiguration)?.Window)];
        WriteInteger(json, "sliding_window", windows.FirstOrDefault(window => window is not null));
        if (rule == WindowRule.Everywhere)
        {
            return;
        }

        // Readers that do not know the list give a window to every layer behind the last that has none.
        json.WriteBoolean("use_sliding_window", windows.Any(window => window is not null));
        json.WriteNumber("max_window_layers", Array.FindLastIndex(windows, window => window is null) + 1);
        json.WriteStartArray("layer_types");
        foreach (int? window in windows)
        {
            json.WriteStringValue(window is null ? "full_attention" : "sliding_attention");
        }

        json.WriteEndArray();
    }

    private static void WriteDeciLm(Utf8JsonWriter json, ModelConfiguration model)
    {
        json.WriteStartObject("auto_map");
        json.WriteString("AutoConfig", "configuration_decilm.DeciLMConfig");
        json.WriteString("AutoModelForCausalLM", "modeling_decilm.DeciLMForCausalLM");
        json.WriteEndObject();
        WriteBlocks(json, model, literally: false);
        json.WriteNull("intermediate_size");
        json.WriteNull("num_key_value_heads");
    }

    private static void WriteShared(Utf8JsonWriter json, ModelConfiguration model, FamilyDialect dialect, LayerParts parts)
    {
        bool isLlama = dialect.Family is ModelFamily.Llama or ModelFamily.DeciLm;
        if (isLlama || dialect.Family == ModelFamily.Qwen3)
        {
            json.WriteBoolean("attention_bias", parts.QkvBias);
        }

        WriteFloat(json, "attention_dropout", 0);
        WriteInteger(json, "bos_token_id", model.BosTokenId);
        WriteEos(json, model);
        if (model.HeadDim != model.HiddenSize / model.HeadCount || dialect.HeadDim is not null)
        {
            json.WriteNumber("head_dim", model.HeadDim);
        }

        json.WriteString("hidden_act", "silu");
        json.WriteNumber("hidden_size", model.HiddenSize);
        WriteFloat(json, "initializer_range", 0.02);
        json.WriteNumber("max_position_embeddings", model.MaxPositions);
        if (isLlama)
        {
            json.WriteBoolean("mlp_bias", parts.FeedForwardBias);
        }

        json.WriteNumber("num_attention_heads", model.HeadCount);
        json.WriteNumber("num_hidden_layers", model.Layers.Length);
        if (isLlama)
        {
            json.WriteNumber("pretraining_tp", 1);
        }

        WriteFloat(json, "rms_norm_eps", model.RmsNormEpsilon);
        WriteRope(json, model);
        json.WriteBoolean("tie_word_embeddings", model.TieEmbeddings);
        json.WriteString("torch_dtype", model.StorageType == DType.BF16 ? "bfloat16" : "float32");
        json.WriteBoolean("use_cache", true);
        json.WriteNumber("vocab_size", model.VocabularySize);
    }

    private static void WriteRope(Utf8JsonWriter json, ModelConfiguration model)
    {
        if (model.RopeScaling is null)
        {
            json.WriteNull("rope_scaling");
        }
        else
        {
            json.WriteStartObject("rope_scaling");
            WriteScaling(json, model.RopeScaling);
            json.WriteEndObject();
        }

        WriteFloat(json, "rope_theta", model.RopeTheta);
    }

    private static void WriteScaling(Utf8JsonWriter json, RopeScaling scaling)
    {
        switch (scaling)
        {
            case LinearRopeScaling linear:
                WriteFloat(json, "factor", linear.Factor);
                json.WriteString("rope_type", "linear");
                break;
            case DynamicRopeScaling dynamic:
                WriteFloat(json, "factor", dynamic.Factor);
                json.WriteString("rope_type", "dynamic");
                break;
            case Llama3RopeScaling llama3:
                WriteFloat(json, "factor", llama3.Factor);
                WriteFloat(json, "high_freq_factor", llama3.HighFrequencyFactor);
                WriteFloat(json, "low_freq_factor", llama3.LowFrequencyFactor);
                json.WriteNumber("original_max_position_embeddings", llama3.OriginalMaxPositions);
                json.WriteString("rope_type", "llama3");
                break;
            case YarnRopeScaling yarn:
                WriteYarn(json, yarn);
                break;
        }
    }

    private static void WriteYarn(Utf8JsonWriter json, YarnRopeScaling yarn)
    {
        if (yarn.GivenAmplitude is { } amplitude)
        {
            WriteFloat(json, "attention_factor", amplitude);
        }

        WriteFloat(json, "beta_fast", yarn.BetaFast);
        WriteFloat(json, "beta_slow", yarn.BetaSlow);
        WriteFloat(json, "factor", yarn.Factor);
        json.WriteNumber("original_max_position_embeddings", yarn.OriginalMaxPositions);
        json.WriteString("rope_type", "yarn");
        if (!yarn.Truncates)
        {
            json.WriteBoolean("truncate", false);
        }
    }

    private static void WriteEos(Utf8JsonWriter json, ModelConfiguration model)
    {
        if (model.EosTokenIds.Length <= 1)
        {
            WriteInteger(json, "eos_token_id", model.EosTokenIds.Length == 1 ? model.EosTokenIds[0] : null);
            return;
        }

        json.WriteStartArray("eos_token_id");
        foreach (int id in model.EosTokenIds)
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, string value)
    {
        json.WriteStartArray(name);
        json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteInteger(Utf8JsonWriter json, string name, int? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    // The shortest digits that read back equal; "2" would be an integer to Python, which some readers refuse.
    private static void WriteFloat(Utf8JsonWriter json, string name, double value)
    {
        string digits = value.ToString("R", CultureInfo.InvariantCulture);
        json.WritePropertyName(name);
        json.WriteRawValue(digits.AsSpan().ContainsAny('.', 'E') ? digits : digits + ".0");
    }
}
