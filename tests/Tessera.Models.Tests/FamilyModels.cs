using System.Collections.Immutable;
using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests;

/// <summary>Small random models of every family and form, so that tests mean something where no published data is.</summary>
internal static class FamilyModels
{
    public const int Vocabulary = 41;

    private static readonly ModelConfiguration Base = SmallModel.Configuration(vocabulary: Vocabulary) with { MaxPositions = 256 };

    public static TheoryData<string> Names => [.. Configurations.Keys];

    public static ImmutableDictionary<string, ModelConfiguration> Configurations { get; } = new Dictionary<string, ModelConfiguration>
    {
        ["llama"] = Alike(ModelFamily.Llama, new AttentionConfiguration(2), new SwiGluConfiguration(24)) with
        {
            RopeScaling = new Llama3RopeScaling(8, 1, 4, 32),
        },
        ["llama-biases"] = Alike(
            ModelFamily.Llama, new AttentionConfiguration(2) { HasQkvBias = true, HasOutputBias = true }, new SwiGluConfiguration(19) { HasBias = true }),
        ["qwen2"] = Windowed(ModelFamily.Qwen2, new AttentionConfiguration(2) { HasQkvBias = true }, null, 70, 70) with { TieEmbeddings = true },
        ["qwen3"] = Windowed(ModelFamily.Qwen3, new AttentionConfiguration(1) { HasHeadNorms = true }, 5, null, 5) with
        {
            HeadDim = 20,
            RopeScaling = new YarnRopeScaling(4, 64),
        },
        ["qwen3-biases"] = Alike(
            ModelFamily.Qwen3, new AttentionConfiguration(4) { HasHeadNorms = true, HasQkvBias = true, HasOutputBias = true },
            new SwiGluConfiguration(24)) with
        { TieEmbeddings = true },
        ["mistral"] = Alike(ModelFamily.Mistral, new AttentionConfiguration(2) { Window = 16 }, new SwiGluConfiguration(24)) with
        {
            RopeScaling = new LinearRopeScaling(2),
        },
        ["decilm"] = Base with { Layers = SmallModel.EveryKind },
        ["decilm-windows"] = Base with
        {
            Layers =
            [
                new(new AttentionConfiguration(2) { Window = 64, HasQkvBias = true, HasOutputBias = true }, new SwiGluConfiguration(24)),
                new(SmallModel.NoMixer, SmallModel.NoFeedForward),
                new(new LinearMixerConfiguration(), new SwiGluConfiguration(9)),
                new(new AttentionConfiguration(4) { HasQkvBias = true, HasOutputBias = true }, SmallModel.NoFeedForward),
                new(new AttentionConfiguration(1) { Window = 3, HasQkvBias = true, HasOutputBias = true }, new LinearFeedForwardConfiguration()),
            ],
        },
        ["qwen3-child"] = Base with
        {
            Architecture = ModelFamily.Qwen3,
            Layers =
            [
                new(new AttentionConfiguration(2) { HasHeadNorms = true, Window = 65 }, new SwiGluConfiguration(24)),
                new(new AttentionConfiguration(1) { HasHeadNorms = true }, new LinearFeedForwardConfiguration()),
                new(SmallModel.NoMixer, new SwiGluConfiguration(7)),
                new(new LinearMixerConfiguration(), SmallModel.NoFeedForward),
            ],
        },
        ["qwen2-child"] = Base with
        {
            Architecture = ModelFamily.Qwen2,
            Layers =
            [
                new(SmallModel.NoMixer, new SwiGluConfiguration(7)),
                new(new AttentionConfiguration(1) { HasQkvBias = true }, SmallModel.NoFeedForward),
                new(new AttentionConfiguration(4) { HasQkvBias = true }, new SwiGluConfiguration(24)),
            ],
        },
    }.ToImmutableDictionary();

    private static ModelConfiguration Alike(ModelFamily family, AttentionConfiguration attention, SwiGluConfiguration ffn) => Base with
    {
        Architecture = family,
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(attention, ffn), 3)],
    };

    private static ModelConfiguration Windowed(ModelFamily family, AttentionConfiguration attention, params int?[] windows) => Base with
    {
        Architecture = family,
        Layers = [.. windows.Select(window => new LayerConfiguration(attention with { Window = window }, new SwiGluConfiguration(24)))],
    };
}
