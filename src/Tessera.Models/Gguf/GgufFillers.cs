using Tessera.Models.Configuration;

namespace Tessera.Models.Gguf;

/// <summary>
/// Halves of layers that add nothing and stand in a <c>deci</c> file only because its readers cannot do without: keys of ours name
/// them, which others pass over, and reading leaves them out again.
/// </summary>
/// <remarks>
/// Readers lose the attention of a layer without feed-forward, select the last tokens' rows in vain in a last layer without one, and
/// take the size of heads from the first layer. So these get a feed-forward of 256 zero channels, and a first layer without attention
/// a linear map of zeros. Source: llama.cpp's graph and loader of the architecture.
/// </remarks>
/// <param name="Mixers">Layers with an attention of nothing but zeros.</param>
/// <param name="FeedForwards">Layers with a feed-forward of nothing but zeros.</param>
internal sealed record GgufFillers(IReadOnlyList<int> Mixers, IReadOnlyList<int> FeedForwards)
{
    /// <summary>Width of a feed-forward that adds zero: the least that the form's other dialect can express.</summary>
    public const int Width = 256;

    private const string MixersKey = "tessera.empty_attention";
    private const string FeedForwardsKey = "tessera.empty_feed_forward";

    /// <summary>What a model needs.</summary>
    public static GgufFillers For(ModelConfiguration model)
    {
        int count = model.Layers.Length;
        int[] mixers = model.Layers[0].Mixer is NoMixerConfiguration ? [0] : [];
        return new GgufFillers(
            mixers,
            [
                .. Enumerable.Range(0, count).Where(i =>
                    model.Layers[i].FeedForward is NoFeedForwardConfiguration
                    && (model.Layers[i].Mixer is not NoMixerConfiguration || mixers.Contains(i) || i == count - 1)),
            ]);
    }

    /// <summary>What a file names.</summary>
    public static GgufFillers Read(GgufFile file, int layers)
    {
        int[] List(string key) => file.Metadata.TryGetValue(key, out GgufValue? list) ? list.Integers(layers, 0, layers - 1) : [];
        return new GgufFillers(List(MixersKey), List(FeedForwardsKey));
    }

    /// <summary>Adds the keys.</summary>
    public void AddTo(GgufMetadata metadata)
    {
        foreach (var (key, layers) in ((string, IReadOnlyList<int>)[])[(MixersKey, Mixers), (FeedForwardsKey, FeedForwards)])
        {
            if (layers.Count > 0)
            {
                metadata.Add(key, [.. layers]);
            }
        }
    }

    /// <summary>The tensors of a layer's fillers.</summary>
    public IEnumerable<GgufTensorToWrite> Tensors(int layer, int hidden)
    {
        if (Mixers.Contains(layer))
        {
            yield return GgufTensorData.Ones(GgufNames.InLayer(layer, "attn_norm"), hidden);
            yield return GgufTensorData.Zeros(GgufNames.InLayer(layer, "attn_output"), [hidden, hidden]);
        }

        if (FeedForwards.Contains(layer))
        {
            yield return GgufTensorData.Ones(GgufNames.InLayer(layer, "ffn_norm"), hidden);
            yield return GgufTensorData.Zeros(GgufNames.InLayer(layer, "ffn_gate"), [Width, hidden]);
            yield return GgufTensorData.Zeros(GgufNames.InLayer(layer, "ffn_up"), [Width, hidden]);
            yield return GgufTensorData.Zeros(GgufNames.InLayer(layer, "ffn_down"), [hidden, Width]);
        }
    }

    /// <summary>Takes the fillers' tensors out of a list; they have to add zero, or the file is another function.</summary>
    /// <exception cref="InvalidDataException">One of them does not.</exception>
    public void RemoveFrom(Dictionary<string, GgufTensor> tensors, GgufFile file)
    {
        foreach (int layer in Mixers)
        {
            tensors.Remove(GgufNames.InLayer(layer, "attn_norm"));
            RemoveZero(tensors, file, GgufNames.InLayer(layer, "attn_output"), MixersKey);
        }

        foreach (int layer in FeedForwards)
        {
            foreach (string part in (string[])["ffn_norm", "ffn_gate", "ffn_up"])
            {
                tensors.Remove(GgufNames.InLayer(layer, part));
            }

            RemoveZero(tensors, file, GgufNames.InLayer(layer, "ffn_down"), FeedForwardsKey);
        }
    }

    private static unsafe void RemoveZero(Dictionary<string, GgufTensor> tensors, GgufFile file, string name, string key)
    {
        if (!tensors.Remove(name, out GgufTensor? output))
        {
            return;
        }

        var bytes = (byte*)file.Address(output);
        for (long done = 0; done < output.Bytes; done += 1 << 30)
        {
            if (new ReadOnlySpan<byte>(bytes + done, (int)Math.Min(1 << 30, output.Bytes - done)).IndexOfAnyExcept((byte)0) >= 0)
            {
                throw file.Metadata[key].Fault($"a list with the layer of {name}, which is not zero");
            }
        }
    }
}
