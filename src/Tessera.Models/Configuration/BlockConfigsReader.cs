using System.Collections.Immutable;

namespace Tessera.Models.Configuration;

/// <summary>
/// The <c>block_configs</c> list of Nemotron-NAS files, of Puzzletron's, and of its AnyModel form, where the rest of the file
/// is another family's. Widths come as <c>n_heads_in_group</c> and <c>ffn_mult</c>, as published, or literally as
/// <c>num_key_value_heads</c> and <c>intermediate_size</c>. Unknown keys are ignored, known ones that would change the
/// computation and are not supported are refused.
/// </summary>
internal static class BlockConfigsReader
{
    private const string Unsupported = "null, since this is not supported";

    /// <summary>Reads the list.</summary>
    /// <param name="root">The file.</param>
    /// <param name="parts">Biases and norms of its layers.</param>
    /// <param name="alike">The layers that the rest of the file describes, from which blocks take what they do not say; null for none.</param>
    /// <param name="hiddenSize">h, for multipliers.</param>
    /// <param name="headCount">Query heads.</param>
    public static ImmutableArray<LayerConfiguration> Read(
        JsonFields root, LayerParts parts, LayerConfiguration[]? alike, int hiddenSize, int headCount)
    {
        List<JsonFields> blocks = root.Objects("block_configs", ConfigurationLimits.Layers);
        var layers = ImmutableArray.CreateBuilder<LayerConfiguration>(blocks.Count);
        foreach (JsonFields block in blocks)
        {
            block.Refuse("parallel_blocks", Unsupported);
            JsonFields attention = block.Object("attention") ?? throw block.Fault("attention", "an object");
            JsonFields ffn = block.Object("ffn") ?? throw block.Fault("ffn", "an object");
            LayerConfiguration? usual = alike is null ? null : alike[Math.Min(layers.Count, alike.Length - 1)];
            layers.Add(new LayerConfiguration(
                ReadMixer(attention, parts, usual?.Mixer as AttentionConfiguration, headCount),
                ReadFeedForward(ffn, parts, usual?.FeedForward as SwiGluConfiguration, hiddenSize)));
        }

        return layers.MoveToImmutable();
    }

    private static MixerConfiguration ReadMixer(JsonFields fields, LayerParts parts, AttentionConfiguration? usual, int headCount)
    {
        if (IsAbsent(fields, out bool linear))
        {
            return new NoMixerConfiguration();
        }

        if (linear)
        {
            return new LinearMixerConfiguration();
        }

        foreach (string key in (string[])["num_sink_tokens", "sparsify", "mamba", "llama4"])
        {
            RequireNull(fields, key);
        }

        fields.Refuse("use_prefill_window_in_sink_attention", "false, since attention sinks are not supported");
        fields.Refuse("unshifted_sink", "false, since attention sinks are not supported");
        // A key of this program's own: no published form has layers that differ in their query heads.
        int? own = fields.Has("num_attention_heads") ? fields.RequiredInteger("num_attention_heads", 1, ConfigurationLimits.Heads) : null;
        return parts.Attention(
            ReadKvHeads(fields, usual, own ?? headCount), WindowReader.ReadWindow(fields, "window_length") ?? usual?.Window) with
        {
            QueryHeadCount = own == headCount ? null : own,
        };
    }

    private static int ReadKvHeads(JsonFields fields, AttentionConfiguration? usual, int headCount)
    {
        if (!fields.Has("n_heads_in_group") && fields.Has("num_key_value_heads"))
        {
            return LayerReader.ReadKvHeads(fields, "num_key_value_heads", headCount);
        }

        if (!fields.Has("n_heads_in_group") && usual is not null)
        {
            return usual.KvHeadCount;
        }

        int group = fields.RequiredInteger("n_heads_in_group", 1, headCount);
        return headCount % group == 0
            ? headCount / group
            : throw fields.Fault("n_heads_in_group", $"a divisor of num_attention_heads {headCount}");
    }

    private static FeedForwardConfiguration ReadFeedForward(
        JsonFields fields, LayerParts parts, SwiGluConfiguration? usual, int hiddenSize)
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
            return parts.SwiGlu(fields.RequiredInteger("intermediate_size", 1, ConfigurationLimits.FeedForwardWidth));
        }

        if (!fields.Has("ffn_mult") && usual is not null)
        {
            return usual;
        }

        double multiplier = fields.RequiredPositive("ffn_mult");
        return FfnMultiplier.ToWidth(multiplier, hiddenSize) is { } width
            ? parts.SwiGlu(width)
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
