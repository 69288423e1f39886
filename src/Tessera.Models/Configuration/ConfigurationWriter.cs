using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Configuration;

/// <summary>
/// Writes <c>config.json</c>: as <c>LlamaForCausalLM</c> where every layer has the same attention and SwiGLU, else as
/// <c>DeciLMForCausalLM</c> with <c>block_configs</c>.
/// </summary>
/// <remarks>
/// The old keys (<c>rope_theta</c>, <c>rope_scaling</c>, <c>torch_dtype</c>) are used, which both old and new readers know. Numbers
/// that readers expect to be floats always have a decimal point. A width that no <c>ffn_mult</c> gives is written as
/// <c>intermediate_size</c> in that block, without <c>ffn_mult</c>; other software then needs a configuration class that knows it.
/// </remarks>
public static class ConfigurationWriter
{
    /// <summary>Creates or replaces a file, atomically.</summary>
    /// <exception cref="InvalidDataException">The configuration breaks a limit.</exception>
    public static void Write(ModelConfiguration model, string path)
    {
        model.Validate(path);
        using var buffer = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            if (IsUniform(model, out AttentionConfiguration? attention, out SwiGluConfiguration? ffn))
            {
                WriteLlama(json, attention!.KvHeadCount, ffn!.Width);
            }
            else
            {
                WriteDeciLm(json, model);
            }

            WriteShared(json, model);
            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        AtomicReplacement.Write(path, 0, stream => stream.Write(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    private static bool IsUniform(ModelConfiguration model, out AttentionConfiguration? attention, out SwiGluConfiguration? ffn)
    {
        LayerConfiguration first = model.Layers[0];
        attention = first.Mixer as AttentionConfiguration;
        ffn = first.FeedForward as SwiGluConfiguration;
        return attention is not null && ffn is not null && model.Layers.All(layer => layer == first);
    }

    private static void WriteLlama(Utf8JsonWriter json, int kvHeads, int width)
    {
        WriteStrings(json, "architectures", "LlamaForCausalLM");
        json.WriteString("model_type", "llama");
        json.WriteNumber("intermediate_size", width);
        json.WriteNumber("num_key_value_heads", kvHeads);
    }

    private static void WriteDeciLm(Utf8JsonWriter json, ModelConfiguration model)
    {
        WriteStrings(json, "architectures", "DeciLMForCausalLM");
        json.WriteString("model_type", "nemotron-nas");
        json.WriteStartObject("auto_map");
        json.WriteString("AutoConfig", "configuration_decilm.DeciLMConfig");
        json.WriteString("AutoModelForCausalLM", "modeling_decilm.DeciLMForCausalLM");
        json.WriteEndObject();
        json.WriteStartArray("block_configs");
        foreach (LayerConfiguration layer in model.Layers)
        {
            json.WriteStartObject();
            WriteMixer(json, layer.Mixer, model.HeadCount);
            WriteFeedForward(json, layer.FeedForward, model.HiddenSize);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("intermediate_size");
        json.WriteNull("num_key_value_heads");
    }

    private static void WriteMixer(Utf8JsonWriter json, MixerConfiguration mixer, int headCount)
    {
        json.WriteStartObject("attention");
        json.WriteBoolean("no_op", mixer is NoMixerConfiguration);
        json.WriteBoolean("replace_with_linear", mixer is LinearMixerConfiguration);
        WriteInteger(json, "n_heads_in_group", mixer is AttentionConfiguration attention ? headCount / attention.KvHeadCount : null);
        json.WriteNull("window_length");
        json.WriteNull("num_sink_tokens");
        json.WriteBoolean("use_prefill_window_in_sink_attention", false);
        json.WriteBoolean("unshifted_sink", false);
        json.WriteNull("sparsify");
        json.WriteEndObject();
    }

    private static void WriteFeedForward(Utf8JsonWriter json, FeedForwardConfiguration feedForward, int hiddenSize)
    {
        json.WriteStartObject("ffn");
        json.WriteBoolean("no_op", feedForward is NoFeedForwardConfiguration);
        json.WriteBoolean("replace_with_linear", feedForward is LinearFeedForwardConfiguration);
        if (feedForward is not SwiGluConfiguration ffn)
        {
            json.WriteNull("ffn_mult");
        }
        else if (FfnMultiplier.FromWidth(ffn.Width, hiddenSize) is { } multiplier)
        {
            WriteFloat(json, "ffn_mult", multiplier);
        }
        else
        {
            json.WriteNumber("intermediate_size", ffn.Width);
        }

        json.WriteNull("sparsify");
        json.WriteEndObject();
    }

    private static void WriteShared(Utf8JsonWriter json, ModelConfiguration model)
    {
        json.WriteBoolean("attention_bias", false);
        WriteFloat(json, "attention_dropout", 0);
        WriteInteger(json, "bos_token_id", model.BosTokenId);
        WriteEos(json, model);
        if (model.HeadDim != model.HiddenSize / model.HeadCount)
        {
            json.WriteNumber("head_dim", model.HeadDim);
        }

        json.WriteString("hidden_act", "silu");
        json.WriteNumber("hidden_size", model.HiddenSize);
        WriteFloat(json, "initializer_range", 0.02);
        json.WriteNumber("max_position_embeddings", model.MaxPositions);
        json.WriteBoolean("mlp_bias", false);
        json.WriteNumber("num_attention_heads", model.HeadCount);
        json.WriteNumber("num_hidden_layers", model.Layers.Length);
        json.WriteNumber("pretraining_tp", 1);
        WriteFloat(json, "rms_norm_eps", model.RmsNormEpsilon);
        WriteRope(json, model);
        json.WriteBoolean("tie_word_embeddings", model.TieEmbeddings);
        json.WriteString("torch_dtype", model.StorageType == DType.BF16 ? "bfloat16" : "float32");
        json.WriteBoolean("use_cache", true);
        json.WriteNumber("vocab_size", model.VocabularySize);
    }

    private static void WriteRope(Utf8JsonWriter json, ModelConfiguration model)
    {
        if (model.RopeScaling is { } scaling)
        {
            json.WriteStartObject("rope_scaling");
            WriteFloat(json, "factor", scaling.Factor);
            WriteFloat(json, "high_freq_factor", scaling.HighFrequencyFactor);
            WriteFloat(json, "low_freq_factor", scaling.LowFrequencyFactor);
            json.WriteNumber("original_max_position_embeddings", scaling.OriginalMaxPositions);
            json.WriteString("rope_type", "llama3");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("rope_scaling");
        }

        WriteFloat(json, "rope_theta", model.RopeTheta);
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
