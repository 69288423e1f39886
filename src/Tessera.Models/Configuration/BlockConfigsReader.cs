using System.Collections.Immutable;

namespace Tessera.Models.Configuration;

/// <summary>
/// The <c>block_configs</c> list of Nemotron-NAS files. Widths come as <c>n_heads_in_group</c> and <c>ffn_mult</c>, as
/// published, or literally as <c>num_key_value_heads</c> and <c>intermediate_size</c>. Unknown keys are ignored, known
/// ones that would change the computation are refused.
/// </summary>
internal static class BlockConfigsReader
{
    private const string Unsupported = "null, since this is not supported";

    public static ImmutableArray<LayerConfiguration> Read(JsonFields root, int hiddenSize, int headCount)
    {
        List<JsonFields> blocks = root.Objects("block_configs", ConfigurationLimits.Layers);
        var layers = ImmutableArray.CreateBuilder<LayerConfiguration>(blocks.Count);
        foreach (JsonFields block in blocks)
        {
            block.Refuse("parallel_blocks", Unsupported);
            JsonFields attention = block.Object("attention") ?? throw block.Fault("attention", "an object");
            JsonFields ffn = block.Object("ffn") ?? throw block.Fault("ffn", "an object");
            layers.Add(new LayerConfiguration(ReadMixer(attention, headCount), ReadFeedForward(ffn, hiddenSize)));
        }

        return layers.MoveToImmutable();
    }

    private static MixerConfiguration ReadMixer(JsonFields fields, int headCount)
    {
        if (IsAbsent(fields, out bool linear))
        {
            return new NoMixerConfiguration();
        }

        if (linear)
        {
            return new LinearMixerConfiguration();
        }

        foreach (string key in (string[])["window_length", "num_sink_tokens", "sparsify", "mamba", "llama4"])
        {
            RequireNull(fields, key);
        }

        fields.Refuse("use_prefill_window_in_sink_attention", "false, since attention sinks are not supported");
        fields.Refuse("unshifted_sink", "false, since attention sinks are not supported");
        if (!fields.Has("n_heads_in_group") && fields.Has("num_key_value_heads"))
        {
            int kvHeads = fields.RequiredInteger("num_key_value_heads", 1, headCount);
            return headCount % kvHeads == 0
                ? new AttentionConfiguration(kvHeads)
                : throw fields.Fault("num_key_value_heads", $"a divisor of num_attention_heads {headCount}");
        }

        int group = fields.RequiredInteger("n_heads_in_group", 1, headCount);
        return headCount % group == 0
            ? new AttentionConfiguration(headCount / group)
            : throw fields.Fault("n_heads_in_group", $"a divisor of num_attention_heads {headCount}");
    }

    private static FeedForwardConfiguration ReadFeedForward(JsonFields fields, int hiddenSize)
    {
        if (IsAbsent(fields, out bool linear))
        {
            return new NoFeedForwardConfiguration();
        }

        if (linear)
        {
            return new LinearFeedForwardConfiguration();
        }

        RequireNull(fields, "sparsify");
        RequireNull(fields, "moe");
        ConfigurationReader.RequireSilu(fields);
        if (fields.Has("gated") && !fields.Flag("gated"))
        {
            throw fields.Fault("gated", "true, since only gated feed-forwards are supported");
        }

        if (!fields.HasKey("ffn_mult") && fields.Has("intermediate_size"))
        {
            return new SwiGluConfiguration(fields.RequiredInteger("intermediate_size", 1, ConfigurationLimits.FeedForwardWidth));
        }

        double multiplier = fields.RequiredPositive("ffn_mult");
        return FfnMultiplier.ToWidth(multiplier, hiddenSize) is { } width
            ? new SwiGluConfiguration(width)
            : throw fields.Fault(
                "ffn_mult",
                $"a multiplier of hidden_size {hiddenSize} that gives a width from 1 to {ConfigurationLimits.FeedForwardWidth}");
    }

    private static bool IsAbsent(JsonFields fields, out bool linear)
    {
        linear = fields.Flag("replace_with_linear");
        bool nothing = fields.Flag("no_op");
        return nothing && linear ? throw fields.Fault("replace_with_linear", "false where no_op is true") : nothing;
    }

    private static void RequireNull(JsonFields fields, string key)
    {
        if (fields.Has(key))
        {
            throw fields.Fault(key, Unsupported);
        }
    }
}
