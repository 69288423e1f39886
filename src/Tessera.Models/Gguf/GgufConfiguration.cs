using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Gguf;

/// <summary>Reads a model's shape from the metadata of the architectures <c>llama</c>, <c>deci</c>, <c>qwen2</c> and <c>qwen3</c>.</summary>
/// <remarks>
/// Values for each layer are lists. Query heads 0: no attention; query heads without KV heads: a linear map; width 0: no feed-forward.
/// What would change the computation and is not supported is refused.
/// </remarks>
internal static class GgufConfiguration
{
    /// <summary>Uniform layers.</summary>
    public const string Llama = "llama";

    /// <summary>Every layer has its own shape.</summary>
    public const string Deci = "deci";

    /// <summary>Uniform layers with biases of queries, keys and values.</summary>
    public const string Qwen2 = "qwen2";

    /// <summary>Uniform layers with norms of query and key heads.</summary>
    public const string Qwen3 = "qwen3";

    /// <summary>The kind of rotary scaling that divides every frequency.</summary>
    public const string LinearScaling = "linear";

    private static readonly Dictionary<string, ModelFamily> Families = new(StringComparer.Ordinal)
    {
        [Llama] = ModelFamily.Llama,
        [Deci] = ModelFamily.DeciLm,
        [Qwen2] = ModelFamily.Qwen2,
        [Qwen3] = ModelFamily.Qwen3,
    };

    /// <summary>The configuration.</summary>
    /// <exception cref="InvalidDataException">One sentence "FILE: KEY is X, expected Y".</exception>
    public static ModelConfiguration Read(GgufFile file)
    {
        string architecture = Architecture(file);
        var keys = new Keys(file, architecture);
        Refuse(keys);
        GgufTensor embedding = file.TryGet(GgufNames.Embedding, out GgufTensor? found) && found.Dimensions.Length == 2
            ? found
            : throw new InvalidDataException($"{file.FilePath}: tensor '{GgufNames.Embedding}' is missing or no matrix");
        int hidden = keys.Required("embedding_length").Integer(1, ConfigurationLimits.HiddenSize);
        int vocabulary = (int)Math.Min(embedding.Dimensions[1], int.MaxValue);
        int count = keys.Required("block_count").Integer(1, ConfigurationLimits.Layers);
        int[] heads = keys.Required("attention.head_count").PerLayer(count, 0, ConfigurationLimits.Heads);
        int headCount = Math.Max(1, heads.Max());
        int headDim = HeadDim(keys, hidden, headCount);
        double theta = keys.Optional("rope.freq_base")?.Positive() ?? 10_000;
        int positions = keys.Required("context_length").Integer(1, ConfigurationLimits.Positions);
        CheckVocabulary(keys, vocabulary);
        ImmutableArray<LayerConfiguration> layers = Layers(keys, heads, headCount);
        var model = new ModelConfiguration
        {
            Architecture = layers.All(layer => layer == layers[0] && IsPlain(layer)) ? architecture == Deci ? ModelFamily.Llama : Families[architecture] : ModelFamily.DeciLm,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            HeadCount = headCount,
            HeadDim = headDim,
            RmsNormEpsilon = keys.Required("attention.layer_norm_rms_epsilon").Positive(),
            RopeTheta = theta,
            RopeScaling = Scaling(keys, headDim, theta),
            MaxPositions = positions,
            TieEmbeddings = !file.TryGet(GgufNames.Head, out _),
            BosTokenId = TokenId(file, "bos", vocabulary),
            EosTokenIds = [.. ((string[])["eos", "eot", "eom"]).Select(name => TokenId(file, name, vocabulary)).OfType<int>().Distinct()],
            StorageType = file.Tensors.All(tensor => tensor.Dimensions.Length < 2 || tensor.Type == GgufTensorType.BF16) ? DType.BF16 : DType.F32,
            Layers = layers,
        };
        model.Validate(file.FilePath);
        return model;
    }

    /// <summary>The architecture's name.</summary>
    /// <exception cref="InvalidDataException">It is missing, or none that is supported.</exception>
    public static string Architecture(GgufFile file)
    {
        GgufValue value = Required(file, "general.architecture");
        return Families.ContainsKey(value.Text())
            ? value.Text()
            : throw value.Fault($"'{Tokenizers.FileField.Shorten(value.Text())}', expected {string.Join(", ", Families.Keys)}, the architectures that are supported");
    }

    /// <summary>Whether all layers have attention and SwiGLU, so that equal ones make a plain Llama.</summary>
    public static bool IsPlain(LayerConfiguration layer) => layer is { Mixer: AttentionConfiguration, FeedForward: SwiGluConfiguration };

    private static GgufValue Required(GgufFile file, string key) =>
        file.Metadata.TryGetValue(key, out GgufValue? value) ? value : throw new InvalidDataException($"{file.FilePath}: the metadata has no key {key}");

    private static void Refuse(Keys keys)
    {
        if (keys.File.Metadata.TryGetValue("split.count", out GgufValue? parts) && parts.Integer(0, int.MaxValue) > 1)
        {
            throw parts.Fault($"{parts.Integer(0, int.MaxValue)}, expected 1: models in several files are not supported, join them first");
        }

        foreach (string name in (string[])["expert_count", "attention.sliding_window", "rope.scaling.attn_factor", "logit_scale", "attention.scale", "embedding_scale", "residual_scale"])
        {
            // Zero is how some writers say that there is none.
            if (keys.Optional(name) is { } value && !IsZero(value))
            {
                throw value.Fault("given, expected none: it would change the computation and is not supported");
            }
        }

        if (keys.Optional("rope.scaling.type") is { } scaling && scaling.Text() is not ("none" or LinearScaling))
        {
            throw scaling.Fault($"'{Tokenizers.FileField.Shorten(scaling.Text())}', expected none or {LinearScaling}; a llama3 scaling stands in {GgufNames.RopeDivisors}");
        }
    }

    private static bool IsZero(GgufValue value) => value.Type switch
    {
        GgufValueType.Float32 or GgufValueType.Float64 or GgufValueType.String or GgufValueType.Array or GgufValueType.Bool => false,
        _ => value.Integer(int.MinValue, int.MaxValue) == 0,
    };

    private static int HeadDim(Keys keys, int hidden, int headCount)
    {
        int headDim = keys.Optional("attention.key_length")?.Integer(1, ConfigurationLimits.HeadDim) ?? hidden / headCount;
        foreach (string name in (string[])["attention.value_length", "rope.dimension_count"])
        {
            if (keys.Optional(name) is { } value && value.Integer(1, ConfigurationLimits.HeadDim) is var length && length != headDim)
            {
                throw value.Fault($"{length}, expected {headDim}, the length of a head's keys");
            }
        }

        return headDim;
    }

    private static void CheckVocabulary(Keys keys, int vocabulary)
    {
        if (keys.Optional("vocab_size") is { } size && size.Integer(1, ConfigurationLimits.Vocabulary) is var stated && stated != vocabulary)
        {
            throw size.Fault($"{stated}, expected {vocabulary}, the rows of {GgufNames.Embedding}");
        }

        if (keys.File.Metadata.TryGetValue("tokenizer.ggml.tokens", out GgufValue? tokens) && tokens.Count > vocabulary)
        {
            throw tokens.Fault($"a list of {tokens.Count} tokens, expected at most {vocabulary}, the rows of {GgufNames.Embedding}");
        }
    }

    private static ImmutableArray<LayerConfiguration> Layers(Keys keys, int[] heads, int headCount)
    {
        int count = heads.Length;
        int[] kvHeads = keys.Optional("attention.head_count_kv")?.PerLayer(count, 0, headCount) ?? heads;
        int[] widths = keys.Required("feed_forward_length").PerLayer(count, 0, ConfigurationLimits.FeedForwardWidth);
        GgufFillers fillers = GgufFillers.Read(keys.File, count);
        var layers = new LayerConfiguration[count];
        for (int i = 0; i < count; i++)
        {
            if (heads[i] != 0 && heads[i] != headCount)
            {
                throw keys.Required("attention.head_count").Fault($"{heads[i]} in layer {i}, expected 0 or {headCount}, the heads of other layers");
            }

            MixerConfiguration mixer = heads[i] == 0 || fillers.Mixers.Contains(i) ? new NoMixerConfiguration()
                : kvHeads[i] == 0 ? new LinearMixerConfiguration()
                : new AttentionConfiguration(kvHeads[i])
                {
                    HasQkvBias = keys.Has(i, "attn_q", "bias"),
                    HasOutputBias = keys.Has(i, "attn_output", "bias"),
                    HasHeadNorms = keys.Has(i, "attn_q_norm", "weight"),
                };
            layers[i] = new LayerConfiguration(
                mixer, widths[i] == 0 || fillers.FeedForwards.Contains(i)
                    ? new NoFeedForwardConfiguration()
                    : new SwiGluConfiguration(widths[i]) { HasBias = keys.Has(i, "ffn_gate", "bias") });
        }

        return [.. layers];
    }

    private static unsafe RopeScaling? Scaling(Keys keys, int headDim, double theta)
    {
        double linear = keys.Optional("rope.scaling.type")?.Text() == LinearScaling ? keys.Optional("rope.scaling.factor")?.Positive() ?? 1 : 1;
        if (!keys.File.TryGet(GgufNames.RopeDivisors, out GgufTensor? tensor))
        {
            return linear == 1 ? null : new LinearRopeScaling(linear);
        }

        if (linear != 1 || keys.Architecture is not (Llama or Deci))
        {
            throw new InvalidDataException($"{keys.File.FilePath}: tensor '{tensor.Name}' stands beside a linear scaling or in {keys.Architecture}, where it has no meaning");
        }

        if (tensor.Type != GgufTensorType.F32 || tensor.ElementCount != headDim / 2)
        {
            throw new InvalidDataException($"{keys.File.FilePath}: tensor '{tensor.Name}' is {tensor}, expected F32 [{headDim / 2}]");
        }

        var divisors = new ReadOnlySpan<float>((void*)keys.File.Address(tensor), headDim / 2);
        double factor = divisors[^1];
        return RopeDivisors.Recognise(
            divisors, headDim, theta, RopeDivisors.Named(keys.File, keys.Architecture, double.IsFinite(factor) ? factor : 0), keys.File.FilePath);
    }

    private static int? TokenId(GgufFile file, string name, int vocabulary) =>
        file.Metadata.TryGetValue($"tokenizer.ggml.{name}_token_id", out GgufValue? value) ? value.Integer(0, vocabulary - 1) : null;

    private readonly record struct Keys(GgufFile File, string Architecture)
    {
        public GgufValue Required(string name) => GgufConfiguration.Required(File, $"{Architecture}.{name}");

        public bool Has(int layer, string part, string suffix) => File.TryGet(GgufNames.InLayer(layer, part, suffix), out _);

        public GgufValue? Optional(string name) => File.Metadata.GetValueOrDefault($"{Architecture}.{name}");
    }
}
