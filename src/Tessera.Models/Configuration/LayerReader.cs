using System.Collections.Immutable;
using System.Globalization;

namespace Tessera.Models.Configuration;

/// <summary>
/// The layers of a file: alike, as its family says, and then changed one by one by <c>block_configs</c>,
/// <c>num_key_value_heads_per_layer</c> (DeciLM-7B) or <c>per_layer_config</c> (transformers 5).
/// </summary>
internal static class LayerReader
{
    private const string Blocks = "block_configs";
    private const string HeadList = "num_key_value_heads_per_layer";
    private const string LayerMap = "per_layer_config";

    public static ImmutableArray<LayerConfiguration> Read(JsonFields root, FamilyDialect dialect, int hiddenSize, int headCount)
    {
        LayerParts parts = dialect.Parts(root);
        RequireOneList(root);
        bool isDeciLm = dialect.Family == ModelFamily.DeciLm;
        if (isDeciLm && !root.Has(HeadList))
        {
            if (!root.HasKey(Blocks))
            {
                throw root.Fault(Blocks, $"a list of one object a layer in a {dialect.ClassName}");
            }

            return CountedBlocks(root, parts, null, hiddenSize, headCount);
        }

        if (!isDeciLm && root.Has(HeadList))
        {
            throw root.Fault(HeadList, $"no such list in a {dialect.ClassName}");
        }

        LayerConfiguration[] layers = Alike(root, dialect, parts, headCount);
        if (root.Has(Blocks))
        {
            return CountedBlocks(root, parts, layers, hiddenSize, headCount);
        }

        if (root.Has(HeadList))
        {
            ReplaceHeads(root, layers, headCount);
        }
        else if (root.Object(LayerMap) is { } map)
        {
            ApplyMap(map, layers, headCount);
        }

        return [.. layers];
    }

    internal static int ReadKvHeads(JsonFields fields, string key, int headCount)
    {
        int kvHeads = fields.RequiredInteger(key, 1, headCount);
        return headCount % kvHeads == 0 ? kvHeads : throw fields.Fault(key, $"a divisor of num_attention_heads {headCount}");
    }

    private static void RequireOneList(JsonFields root)
    {
        string[] lists = [.. ((string[])[Blocks, HeadList, LayerMap]).Where(root.Has)];
        if (lists.Length > 1)
        {
            throw root.Fault(lists[1], $"no second list of layers beside {lists[0]}");
        }
    }

    private static LayerConfiguration[] Alike(JsonFields root, FamilyDialect dialect, LayerParts parts, int headCount)
    {
        int count = root.Integer("num_hidden_layers", 32, 1, ConfigurationLimits.Layers);
        int width = root.Integer("intermediate_size", dialect.Width, 1, ConfigurationLimits.FeedForwardWidth);
        int kvHeads = root.Has("num_key_value_heads") ? ReadKvHeads(root, "num_key_value_heads", headCount)
            : root.HasKey("num_key_value_heads") ? headCount
            : dialect.KvHeads ?? headCount;
        if (kvHeads > headCount || headCount % kvHeads != 0)
        {
            throw root.Fault("num_key_value_heads", $"a divisor of num_attention_heads {headCount}");
        }

        int?[] windows = WindowReader.Read(root, dialect.Windows, count);
        return [.. windows.Select(window => new LayerConfiguration(parts.Attention(kvHeads, window), parts.SwiGlu(width)))];
    }

    private static ImmutableArray<LayerConfiguration> CountedBlocks(
        JsonFields root, LayerParts parts, LayerConfiguration[]? alike, int hiddenSize, int headCount)
    {
        var layers = BlockConfigsReader.Read(root, parts, alike, hiddenSize, headCount);
        int count = root.Integer("num_hidden_layers", layers.Length, 1, ConfigurationLimits.Layers);
        return count == layers.Length ? layers : throw root.Fault("num_hidden_layers", $"{layers.Length}, the length of {Blocks}");
    }

    private static void ReplaceHeads(JsonFields root, LayerConfiguration[] layers, int headCount)
    {
        List<int> heads = root.Integers(HeadList, 1, headCount, ConfigurationLimits.Layers);
        if (heads.Count != layers.Length || heads.Exists(k => headCount % k != 0))
        {
            throw root.Fault(HeadList, $"{layers.Length} divisors of num_attention_heads {headCount}, one a layer");
        }

        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = layers[i] with { Mixer = (AttentionConfiguration)layers[i].Mixer with { KvHeadCount = heads[i] } };
        }
    }

    /// <summary>Keys are layer numbers, perhaps padded with zeros; values hold what differs from the file's own settings.</summary>
    private static void ApplyMap(JsonFields map, LayerConfiguration[] layers, int headCount)
    {
        var seen = new HashSet<int>();
        foreach (string key in map.Names())
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) || layer >= layers.Length)
            {
                throw map.Fault(key, $"layers from 0 to {layers.Length - 1} as keys");
            }

            if (!seen.Add(layer))
            {
                throw map.Fault(key, $"one entry for layer {layer}");
            }

            layers[layer] = Changed(layers[layer], map.Object(key) ?? throw map.Fault(key, "an object"), headCount);
        }
    }

    private static LayerConfiguration Changed(LayerConfiguration layer, JsonFields fields, int headCount)
    {
        var mixer = (AttentionConfiguration)layer.Mixer;
        var ffn = (SwiGluConfiguration)layer.FeedForward;
        List<string> skipped = [];
        foreach (string name in fields.Names())
        {
            switch (name)
            {
                case "num_key_value_heads":
                    mixer = mixer with { KvHeadCount = ReadKvHeads(fields, name, headCount) };
                    break;
                case "sliding_window":
                    mixer = mixer with { Window = WindowReader.ReadWindow(fields, name) };
                    break;
                case "intermediate_size":
                    ffn = new SwiGluConfiguration(fields.RequiredInteger(name, 1, ConfigurationLimits.FeedForwardWidth))
                    {
                        HasBias = ffn.HasBias,
                    };
                    break;
                case "skip":
                    skipped = fields.Texts(name);
                    break;
                default:
                    throw fields.Fault(
                        name, "num_key_value_heads, sliding_window, intermediate_size or skip, the keys that may differ by layer");
            }
        }

        if (skipped.Exists(part => part is not ("attention" or "mlp")))
        {
            throw fields.Fault("skip", "a list of \"attention\" and \"mlp\"");
        }

        return new LayerConfiguration(
            skipped.Contains("attention") ? new NoMixerConfiguration() : mixer,
            skipped.Contains("mlp") ? new NoFeedForwardConfiguration() : ffn);
    }
}
