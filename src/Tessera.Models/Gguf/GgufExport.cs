using System.Globalization;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Models.Gguf;

/// <summary>
/// Writes a model as one GGUF file: where all layers have the same attention and SwiGLU, architecture <c>qwen3</c> if heads are
/// normalised, <c>qwen2</c> if that is the model's family, else <c>llama</c>; where layers differ, <c>deci</c>.
/// </summary>
public static class GgufExport
{
    private const int QuantizationVersion = 2;

    /// <summary>Creates or replaces a file; data is converted piece by piece.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="type">
    /// Storage of matrices. With Q8_0 and Q4_0, those whose rows are no whole blocks are stored as F16; with Q4_0, token table and
    /// head are stored as Q8_0. Vectors are F32 always.
    /// </param>
    /// <param name="name">The model's name, for people.</param>
    /// <param name="vocabulary">Adds the tokenizer's entries; null where the model has none.</param>
    /// <returns>A sentence for everything that is not stored as was asked.</returns>
    /// <exception cref="NotSupportedException">The form cannot hold a layer; the message names it.</exception>
    public static IReadOnlyList<string> Write(
        string path, Decoder model, GgufTensorType type, string name, Action<GgufMetadata>? vocabulary = null)
    {
        ModelConfiguration configuration = model.Configuration;
        string architecture = Architecture(configuration);
        bool isPlain = architecture != GgufConfiguration.Deci;
        Refuse(configuration, architecture);
        GgufFillers fillers = isPlain ? new GgufFillers([], []) : GgufFillers.For(configuration);
        var notes = new List<string>();
        using var data = new GgufTensorData(architecture, configuration.HeadDim);
        List<GgufTensorToWrite> tensors = [.. Tensors(model, type, data, fillers, notes)];
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", architecture);
        metadata.Add("general.name", name);
        metadata.Add("general.file_type", FileType(type));
        if (tensors.Exists(tensor => tensor.Type is GgufTensorType.Q8 or GgufTensorType.Q4))
        {
            metadata.Add("general.quantization_version", QuantizationVersion);
        }

        AddShape(metadata, architecture, configuration, fillers, isPlain);
        if (vocabulary is null)
        {
            metadata.Add("tokenizer.ggml.model", "no_vocab");
        }
        else
        {
            vocabulary(metadata);
        }

        GgufWriter.Write(path, metadata, tensors);
        return notes;
    }

    private static string Architecture(ModelConfiguration model)
    {
        LayerConfiguration first = model.Layers[0];
        return !model.Layers.All(layer => layer == first && GgufConfiguration.IsPlain(layer)) ? GgufConfiguration.Deci
            : first.Mixer is AttentionConfiguration { HasHeadNorms: true } ? GgufConfiguration.Qwen3
            : model.Architecture == ModelFamily.Qwen2 && first.Mixer is AttentionConfiguration { HasQkvBias: true, HasOutputBias: false }
                && first.FeedForward is SwiGluConfiguration { HasBias: false } ? GgufConfiguration.Qwen2
            : GgufConfiguration.Llama;
    }

    private static void Refuse(ModelConfiguration model, string architecture)
    {
        if (model.RopeScaling is not (null or LinearRopeScaling) && !(model.RopeScaling is Llama3RopeScaling && architecture is GgufConfiguration.Llama or GgufConfiguration.Deci))
        {
            throw new NotSupportedException($"the rotary scaling {model.RopeScaling} cannot be held by gguf's {architecture}; export as hf instead");
        }

        for (int i = 0; i < model.Layers.Length; i++)
        {
            RefuseParts(model.Layers[i], i, architecture);
            if (model.Layers[i].FeedForward is LinearFeedForwardConfiguration)
            {
                throw new NotSupportedException($"layer {i} has a linear map in place of its feed-forward, which gguf cannot hold; export as hf instead");
            }

            if (architecture == GgufConfiguration.Deci && model.Layers[i].Mixer is AttentionConfiguration own && model.HeadDim * own.Heads(model) != model.HiddenSize)
            {
                throw new NotSupportedException(
                    $"layer {i} has {own.Heads(model)} heads of {model.HeadDim} elements, but gguf's {architecture} holds layers of different shapes only with heads of "
                    + $"hidden_size / heads = {model.HiddenSize / model.HeadCount}; export as llama first, which makes all layers equal");
            }
        }
    }

    private static void RefuseParts(LayerConfiguration layer, int index, string architecture)
    {
        var attention = layer.Mixer as AttentionConfiguration;
        bool isQwen3 = architecture == GgufConfiguration.Qwen3;
        string? part = attention?.Window is { } window ? $"a sliding window of {window} tokens"
            : !isQwen3 && attention is { HasHeadNorms: true } ? "norms of query and key heads beside layers of other shapes"
            : isQwen3 && attention is { HasQkvBias: true } or { HasOutputBias: true } ? "biases beside norms of query and key heads"
            : isQwen3 && layer.FeedForward is SwiGluConfiguration { HasBias: true } ? "biases in its feed-forward beside norms of query and key heads"
            : null;
        if (part is not null)
        {
            throw new NotSupportedException($"layer {index} has {part}, which gguf's {architecture} cannot hold; export as hf instead");
        }
    }

    private static void AddShape(GgufMetadata metadata, string architecture, ModelConfiguration model, GgufFillers fillers, bool isPlain)
    {
        void Number(string key, int value) => metadata.Add($"{architecture}.{key}", value);
        int[] heads = [.. model.Layers.Select((layer, i) => layer.Mixer is NoMixerConfiguration && !fillers.Mixers.Contains(i) ? 0 : (layer.Mixer as AttentionConfiguration)?.Heads(model) ?? model.HeadCount)];
        int[] kvHeads = [.. model.Layers.Select(layer => layer.Mixer is AttentionConfiguration attention ? attention.KvHeadCount : 0)];
        int[] widths = [.. model.Layers.Select((layer, i) => layer.FeedForward is SwiGluConfiguration ffn ? ffn.Width : fillers.FeedForwards.Contains(i) ? GgufFillers.Width : 0)];
        Number("block_count", model.Layers.Length);
        Number("context_length", model.MaxPositions);
        Number("embedding_length", model.HiddenSize);
        Number("vocab_size", model.VocabularySize);
        if (isPlain)
        {
            Number("feed_forward_length", widths[0]);
            Number("attention.head_count", heads[0]);
            Number("attention.head_count_kv", kvHeads[0]);
        }
        else
        {
            metadata.Add($"{architecture}.feed_forward_length", widths);
            metadata.Add($"{architecture}.attention.head_count", heads);
            metadata.Add($"{architecture}.attention.head_count_kv", kvHeads);
        }

        foreach (string key in (string[])["attention.key_length", "attention.value_length", "rope.dimension_count"])
        {
            Number(key, model.HeadDim);
        }

        metadata.Add($"{architecture}.attention.layer_norm_rms_epsilon", (float)model.RmsNormEpsilon);
        metadata.Add($"{architecture}.rope.freq_base", (float)model.RopeTheta);
        if (model.RopeScaling is LinearRopeScaling linear)
        {
            metadata.Add($"{architecture}.rope.scaling.type", GgufConfiguration.LinearScaling);
            metadata.Add($"{architecture}.rope.scaling.factor", (float)linear.Factor);
        }
        else if (model.RopeScaling is Llama3RopeScaling scaling)
        {
            RopeDivisors.AddTo(metadata, architecture, scaling);
        }

        fillers.AddTo(metadata);
    }

    private static IEnumerable<GgufTensorToWrite> Tensors(Decoder model, GgufTensorType type, GgufTensorData data, GgufFillers fillers, List<string> notes)
    {
        ModelConfiguration configuration = model.Configuration;
        if (configuration.RopeScaling is Llama3RopeScaling scaling)
        {
            float[] divisors = RopeDivisors.Of(configuration.HeadDim, configuration.RopeTheta, scaling);
            yield return GgufTensorData.Of(GgufNames.RopeDivisors, [divisors.Length], divisors);
        }

        int filled = 0;
        foreach (WeightSlice slice in WeightMap.Slices(model))
        {
            string name = GgufNames.Of(slice.Name)
                ?? throw new NotSupportedException($"{slice.Name} has no name in gguf, which cannot hold it; export as hf instead");

            // In the place that they have among their neighbours: files are read from front to back.
            for (int end = LayersBefore(slice.Name, configuration.Layers.Length); filled < end; filled++)
            {
                foreach (GgufTensorToWrite tensor in fillers.Tensors(filled, configuration.HiddenSize))
                {
                    yield return tensor;
                }
            }

            GgufTensorType stored = TypeOf(slice, name, type, notes);
            yield return new GgufTensorToWrite(name, stored, slice.Shape, stream => data.Write(stream, slice, stored));
        }
    }

    private static GgufTensorType TypeOf(WeightSlice slice, string name, GgufTensorType type, List<string> notes)
    {
        if (slice.IsVector)
        {
            return GgufTensorType.F32;
        }

        if (type == GgufTensorType.Q4 && name is (GgufNames.Embedding or GgufNames.Head))
        {
            type = GgufTensorType.Q8;
        }

        if (slice.Parameter.Columns % type.BlockElements() == 0)
        {
            return type;
        }

        notes.Add($"{name} is stored as f16: its rows of {slice.Parameter.Columns} elements are no multiple of {type.BlockElements()}");
        return GgufTensorType.F16;
    }

    // Layers that are complete where a weight comes: none at the embedding, all behind the last layer.
    private static int LayersBefore(string checkpointName, int layers) => checkpointName.Split('.') switch
    {
        ["model", "layers", var number, ..] => int.Parse(number, NumberStyles.None, CultureInfo.InvariantCulture),
        _ => checkpointName == WeightMap.Embedding ? 0 : layers,
    };

    // The numbers of "all f32" and of "mostly" each other type.
    private static int FileType(GgufTensorType type) => type switch
    {
        GgufTensorType.F32 => 0,
        GgufTensorType.F16 => 1,
        GgufTensorType.Q4 => 2,
        GgufTensorType.Q8 => 7,
        GgufTensorType.BF16 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a type that is written"),
    };
}
