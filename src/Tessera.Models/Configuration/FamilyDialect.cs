namespace Tessera.Models.Configuration;

/// <summary>
/// How one family is named in <c>config.json</c>, what its absent keys stand for, and which parts its layers have. The
/// defaults are those of the configuration classes of transformers 5.
/// </summary>
/// <param name="Family">The family.</param>
/// <param name="ClassName">Value of <c>architectures</c>.</param>
/// <param name="ModelType">Value of <c>model_type</c>.</param>
internal sealed record FamilyDialect(ModelFamily Family, string ClassName, string ModelType)
{
    public static IReadOnlyList<FamilyDialect> All { get; } =
    [
        new(ModelFamily.Llama, "LlamaForCausalLM", "llama"),
        new(ModelFamily.DeciLm, "DeciLMForCausalLM", "nemotron-nas"),
        new(ModelFamily.Qwen2, "Qwen2ForCausalLM", "qwen2")
        {
            Vocabulary = 151_936, Width = 22_016, Positions = 32_768, KvHeads = 32, Bos = null, Eos = null, Windows = WindowRule.FromLayer,
        },
        new(ModelFamily.Qwen3, "Qwen3ForCausalLM", "qwen3")
        {
            Vocabulary = 151_936, Width = 22_016, Positions = 32_768, KvHeads = 32, HeadDim = 128, Bos = null, Eos = null,
            HasHeadNorms = true, Windows = WindowRule.FromLayer,
        },
        new(ModelFamily.Mistral, "MistralForCausalLM", "mistral")
        {
            Width = 14_336, Positions = 131_072, KvHeads = 8, Windows = WindowRule.Everywhere,
        },
    ];

    /// <summary>Rows of the embedding where <c>vocab_size</c> is absent.</summary>
    public int Vocabulary { get; private init; } = 32_000;

    /// <summary>Width where <c>intermediate_size</c> is absent.</summary>
    public int Width { get; private init; } = 11_008;

    /// <summary>Positions where <c>max_position_embeddings</c> is absent.</summary>
    public int Positions { get; private init; } = 2048;

    /// <summary>KV heads where <c>num_key_value_heads</c> is absent; none for as many as query heads.</summary>
    public int? KvHeads { get; private init; }

    /// <summary>Head size where <c>head_dim</c> is absent; none for hidden size / heads.</summary>
    public int? HeadDim { get; private init; }

    /// <summary>First token where <c>bos_token_id</c> is absent.</summary>
    public int? Bos { get; private init; } = 1;

    /// <summary>Last token where <c>eos_token_id</c> is absent.</summary>
    public int? Eos { get; private init; } = 2;

    /// <summary>Whether query and key heads are normalised.</summary>
    public bool HasHeadNorms { get; private init; }

    /// <summary>Which keys say what window a layer has.</summary>
    public WindowRule Windows { get; private init; }

    public static FamilyDialect Of(ModelFamily family) => All.First(dialect => dialect.Family == family);

    /// <summary>Biases of attention and feed-forward that a file asks for.</summary>
    public LayerParts Parts(JsonFields root)
    {
        // Qwen2's class knows no such key: its queries, keys and values always have biases, its output never.
        bool attention = Family != ModelFamily.Mistral && Family != ModelFamily.Qwen2 && root.Flag("attention_bias");
        bool output = Family == ModelFamily.DeciLm && root.Has("o_proj_bias") ? root.Flag("o_proj_bias") : attention;
        bool feedForward = Family is ModelFamily.Llama or ModelFamily.DeciLm && root.Flag("mlp_bias");
        return new LayerParts(attention || Family == ModelFamily.Qwen2, output, HasHeadNorms, feedForward);
    }

    /// <summary>Whether a file of this family can say that its layers have these parts.</summary>
    public bool Expresses(LayerParts parts)
    {
        bool biases = Family switch
        {
            ModelFamily.Qwen2 => parts.QkvBias && !parts.OutputBias,
            ModelFamily.Mistral => !parts.QkvBias && !parts.OutputBias,
            _ => parts.QkvBias == parts.OutputBias,
        };
        bool feedForward = !parts.FeedForwardBias || Family is ModelFamily.Llama or ModelFamily.DeciLm;
        return biases && feedForward && parts.HeadNorms == HasHeadNorms;
    }
}

/// <summary>Which keys of a family give a layer its window.</summary>
internal enum WindowRule
{
    /// <summary>None: the family has no windows, or each block names its own.</summary>
    None,

    /// <summary><c>sliding_window</c> holds for all layers.</summary>
    Everywhere,

    /// <summary><c>use_sliding_window</c> with <c>layer_types</c>, or <c>max_window_layers</c> layers without a window first.</summary>
    FromLayer,
}

/// <summary>Parts that all layers of a file have or have not.</summary>
internal readonly record struct LayerParts(bool QkvBias, bool OutputBias, bool HeadNorms, bool FeedForwardBias)
{
    public AttentionConfiguration Attention(int kvHeads, int? window) => new(kvHeads)
    {
        Window = window,
        HasQkvBias = QkvBias,
        HasOutputBias = OutputBias,
        HasHeadNorms = HeadNorms,
    };

    public SwiGluConfiguration SwiGlu(int width) => new(width) { HasBias = FeedForwardBias };

    /// <summary>The parts of a model's layers, or null where two layers differ in them.</summary>
    public static LayerParts? Of(ModelConfiguration model)
    {
        List<AttentionConfiguration> mixers = [.. model.Layers.Select(layer => layer.Mixer).OfType<AttentionConfiguration>()];
        List<SwiGluConfiguration> ffns = [.. model.Layers.Select(layer => layer.FeedForward).OfType<SwiGluConfiguration>()];
        AttentionConfiguration first = mixers.FirstOrDefault() ?? new AttentionConfiguration(1);
        var parts = new LayerParts(
            first.HasQkvBias, first.HasOutputBias, first.HasHeadNorms, ffns.FirstOrDefault()?.HasBias ?? false);
        bool agree = mixers.All(mixer => mixer with { QueryHeadCount = null } == parts.Attention(mixer.KvHeadCount, mixer.Window))
            && ffns.All(ffn => ffn == parts.SwiGlu(ffn.Width));
        return agree ? parts : null;
    }
}
