using System.Text.Json;

namespace Tessera.Models.Configuration;

/// <content>The list of blocks, by groups and multipliers as published, or literally by heads and widths.</content>
public static partial class ConfigurationWriter
{
    private static void WriteBlocks(Utf8JsonWriter json, ModelConfiguration model, bool literally)
    {
        json.WriteStartArray("block_configs");
        foreach (LayerConfiguration layer in model.Layers)
        {
            json.WriteStartObject();
            WriteMixer(json, layer.Mixer, model.HeadCount, literally);
            WriteFeedForward(json, layer.FeedForward, model.HiddenSize, literally);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteMixer(Utf8JsonWriter json, MixerConfiguration mixer, int headCount, bool literally)
    {
        var attention = mixer as AttentionConfiguration;
        json.WriteStartObject("attention");
        json.WriteBoolean("no_op", mixer is NoMixerConfiguration);
        json.WriteBoolean("replace_with_linear", mixer is LinearMixerConfiguration);
        if (literally)
        {
            // The window is in the family's own keys.
            WriteInteger(json, "num_key_value_heads", attention?.KvHeadCount);
            if (attention?.QueryHeadCount is { } heads)
            {
                json.WriteNumber("num_attention_heads", heads);
            }
        }
        else
        {
            WriteInteger(json, "n_heads_in_group", headCount / attention?.KvHeadCount);
            WriteInteger(json, "window_length", attention?.Window);
            json.WriteNull("num_sink_tokens");
            json.WriteBoolean("use_prefill_window_in_sink_attention", false);
            json.WriteBoolean("unshifted_sink", false);
            json.WriteNull("sparsify");
        }

        json.WriteEndObject();
    }

    private static void WriteFeedForward(Utf8JsonWriter json, FeedForwardConfiguration feedForward, int hiddenSize, bool literally)
    {
        var ffn = feedForward as SwiGluConfiguration;
        json.WriteStartObject("ffn");
        json.WriteBoolean("no_op", feedForward is NoFeedForwardConfiguration);
        json.WriteBoolean("replace_with_linear", feedForward is LinearFeedForwardConfiguration);
        if (literally)
        {
            WriteInteger(json, "intermediate_size", ffn?.Width);
        }
        else
        {
            WriteWidth(json, ffn, hiddenSize);
        }

        json.WriteEndObject();
    }

    private static void WriteWidth(Utf8JsonWriter json, SwiGluConfiguration? ffn, int hiddenSize)
    {
        if (ffn is null)
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
    }
}
