using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Models.Configuration;

/// <summary>The checks of <see cref="ModelConfiguration.Validate"/>; fields go by their names in config.json.</summary>
internal static class ConfigurationValidation
{
    public static void Check(ModelConfiguration model, string source)
    {
        CheckSizes(model, source);
        CheckNumbers(model, source);
        CheckTokens(model, source);
        CheckLayers(model, source);
    }

    private static void CheckSizes(ModelConfiguration model, string source)
    {
        Range(source, "vocab_size", model.VocabularySize, 1, ConfigurationLimits.Vocabulary);
        Range(source, "hidden_size", model.HiddenSize, 1, ConfigurationLimits.HiddenSize);
        Range(source, "num_attention_heads", model.HeadCount, 1, ConfigurationLimits.Heads);
        Range(source, "head_dim", model.HeadDim, 1, ConfigurationLimits.HeadDim);
        Range(source, "max_position_embeddings", model.MaxPositions, 1, ConfigurationLimits.Positions);
        Require(model.HeadDim % 2 == 0, source, "head_dim", model.HeadDim, "an even number, since rotary positions turn pairs");
        Require(
            model.HiddenSize % model.HeadCount == 0,
            source,
            "num_attention_heads",
            model.HeadCount,
            $"a divisor of hidden_size {model.HiddenSize}");
        Require(
            (long)model.HeadCount * model.HeadDim <= ConfigurationLimits.AttentionWidth,
            source,
            "num_attention_heads",
            model.HeadCount,
            $"at most {ConfigurationLimits.AttentionWidth} elements in all heads of {model.HeadDim}");
        Require(
            model.StorageType is DType.F32 or DType.BF16,
            source,
            "torch_dtype",
            model.StorageType.Label(),
            "float32 or bfloat16");
    }

    private static void CheckNumbers(ModelConfiguration model, string source)
    {
        Positive(source, "rms_norm_eps", model.RmsNormEpsilon);
        Positive(source, "rope_theta", model.RopeTheta);
        if (model.RopeScaling is not { } scaling)
        {
            return;
        }

        switch (scaling)
        {
            case LinearRopeScaling linear:
                Factor(source, linear.Factor);
                break;
            case DynamicRopeScaling dynamic:
                Factor(source, dynamic.Factor);
                Require(
                    dynamic.MaxPositions == model.MaxPositions, source, "max_position_embeddings", model.MaxPositions,
                    $"{dynamic.MaxPositions}, where the dynamic scaling begins");
                break;
            case Llama3RopeScaling llama3:
                CheckLlama3(llama3, source);
                break;
            case YarnRopeScaling yarn:
                CheckYarn(yarn, model, source);
                break;
            default:
                throw new InvalidDataException($"{source}: rope_scaling is {scaling}, which this build does not know");
        }
    }

    private static void CheckLlama3(Llama3RopeScaling scaling, string source)
    {
        Factor(source, scaling.Factor);
        Positive(source, "rope_scaling.low_freq_factor", scaling.LowFrequencyFactor);
        Positive(source, "rope_scaling.high_freq_factor", scaling.HighFrequencyFactor);
        Require(
            scaling.HighFrequencyFactor > scaling.LowFrequencyFactor,
            source,
            "rope_scaling.high_freq_factor",
            scaling.HighFrequencyFactor,
            $"more than low_freq_factor {scaling.LowFrequencyFactor}");
        Original(source, scaling.OriginalMaxPositions);
    }

    private static void CheckYarn(YarnRopeScaling scaling, ModelConfiguration model, string source)
    {
        Factor(source, scaling.Factor);
        Positive(source, "rope_scaling.beta_fast", scaling.BetaFast);
        Positive(source, "rope_scaling.beta_slow", scaling.BetaSlow);
        Require(
            scaling.BetaFast >= scaling.BetaSlow, source, "rope_scaling.beta_fast", scaling.BetaFast,
            $"at least beta_slow {scaling.BetaSlow}");
        Positive(source, "rope_scaling.attention_factor", scaling.Amplitude);
        Require(scaling.Amplitude < float.MaxValue, source, "rope_scaling.attention_factor", scaling.Amplitude, "a factor of f32 size");
        Require(model.RopeTheta > 1, source, "rope_theta", model.RopeTheta, "more than 1 with yarn");
        Original(source, scaling.OriginalMaxPositions);
    }

    private static void Factor(string source, double factor)
    {
        Positive(source, "rope_scaling.factor", factor);
        Require(factor >= 1, source, "rope_scaling.factor", factor, "at least 1");
    }

    private static void Original(string source, int positions) => Range(
        source, "rope_scaling.original_max_position_embeddings", positions, 1, ConfigurationLimits.Positions);

    private static void CheckTokens(ModelConfiguration model, string source)
    {
        if (model.BosTokenId is { } bos)
        {
            Range(source, "bos_token_id", bos, 0, model.VocabularySize - 1);
        }

        Require(!model.EosTokenIds.IsDefault, source, "eos_token_id", "missing", "a list, which may be empty");
        Range(source, "the number of eos_token_id values", model.EosTokenIds.Length, 0, ConfigurationLimits.EosTokens);
        foreach (int eos in model.EosTokenIds)
        {
            Range(source, "eos_token_id", eos, 0, model.VocabularySize - 1);
        }
    }

    private static void CheckLayers(ModelConfiguration model, string source)
    {
        ImmutableArray<LayerConfiguration> layers = model.Layers;
        Require(!layers.IsDefault, source, "num_hidden_layers", "missing", "a list of layers");
        Range(source, "num_hidden_layers", layers.Length, 1, ConfigurationLimits.Layers);
        for (int i = 0; i < layers.Length; i++)
        {
            if (layers[i].Mixer is AttentionConfiguration attention)
            {
                string field = $"num_key_value_heads of layer {i}";
                int heads = attention.Heads(model);
                Range(source, $"num_attention_heads of layer {i}", heads, 1, ConfigurationLimits.Heads);
                Require(
                    (long)heads * model.HeadDim <= ConfigurationLimits.AttentionWidth, source, $"num_attention_heads of layer {i}", heads,
                    $"at most {ConfigurationLimits.AttentionWidth} elements in all heads of {model.HeadDim}");
                Range(source, field, attention.KvHeadCount, 1, heads);
                Require(
                    heads % attention.KvHeadCount == 0,
                    source,
                    field,
                    attention.KvHeadCount,
                    $"a divisor of num_attention_heads {heads}");
                Range(source, $"sliding_window of layer {i}", attention.Window ?? 1, 1, ConfigurationLimits.Positions);
            }

            if (layers[i].FeedForward is SwiGluConfiguration ffn)
            {
                Range(source, $"intermediate_size of layer {i}", ffn.Width, 1, ConfigurationLimits.FeedForwardWidth);
            }
        }
    }

    private static void Range(string source, string field, int value, int low, int high) =>
        Require(value >= low && value <= high, source, field, value, $"an integer from {low} to {high}");

    private static void Positive(string source, string field, double value) =>
        Require(double.IsFinite(value) && value > 0, source, field, value, "a positive finite number");

    private static void Require(bool holds, string source, string field, object value, string expected)
    {
        if (!holds)
        {
            throw new InvalidDataException($"{source}: {field} is {value}, expected {expected}");
        }
    }
}
