using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Models.Configuration;

/// <summary>Shapes of published models by name, for <c>random:</c> models: what is measured on them holds for the real ones.</summary>
/// <remarks>Source: the config.json that each model was published with.</remarks>
public static class PublishedShapes
{
    private const int Vocabulary = 128_256;
    private const int Positions = 131_072;

    /// <summary>Names, smallest first.</summary>
    public static IEnumerable<string> Names => Shapes.OrderBy(shape => shape.Value.ParameterCount).Select(shape => shape.Key);

    private static ImmutableDictionary<string, ModelConfiguration> Shapes { get; } = new Dictionary<string, ModelConfiguration>
    {
        ["llama-3.2-1b"] = Llama(16, 2048, 32, 8, 64, 8192, tied: true, ropeFactor: 32),
        ["llama-3.2-3b"] = Llama(28, 3072, 24, 8, 128, 8192, tied: true, ropeFactor: 32),
        ["llama-3.1-8b"] = Llama(32, 4096, 32, 8, 128, 14_336, tied: false, ropeFactor: 8),
        ["llama-3.1-70b"] = Llama(80, 8192, 64, 8, 128, 28_672, tied: false, ropeFactor: 8),
        ["llama-3.1-405b"] = Llama(126, 16_384, 128, 8, 128, 53_248, tied: false, ropeFactor: 8),
    }.ToImmutableDictionary();

    /// <summary>Models on a hub that have these shapes, base and instructed alike.</summary>
    private static ImmutableDictionary<string, string> Repositories { get; } = new Dictionary<string, string>
    {
        ["meta-llama/Llama-3.2-1B"] = "llama-3.2-1b",
        ["meta-llama/Llama-3.2-3B"] = "llama-3.2-3b",
        ["meta-llama/Llama-3.1-8B"] = "llama-3.1-8b",
        ["meta-llama/Llama-3.1-70B"] = "llama-3.1-70b",
        ["meta-llama/Llama-3.3-70B"] = "llama-3.1-70b",
        ["meta-llama/Llama-3.1-405B"] = "llama-3.1-405b",
    }.ToImmutableDictionary();

    /// <summary>The shape of this name, or null.</summary>
    public static ModelConfiguration? Find(string name) => Shapes.GetValueOrDefault(name);

    /// <summary>The shape of a model on a hub by its name, such as <c>meta-llama/Llama-3.1-8B-Instruct</c>, or null where it is not known.</summary>
    public static ModelConfiguration? OfRepository(string id) =>
        Repositories.TryGetValue(id.EndsWith("-Instruct", StringComparison.Ordinal) ? id[..^"-Instruct".Length] : id, out string? shape) ? Find(shape) : null;

    private static ModelConfiguration Llama(
        int layers, int hidden, int heads, int kvHeads, int headDim, int intermediate, bool tied, double ropeFactor) => new()
        {
            Architecture = ModelFamily.Llama,
            VocabularySize = Vocabulary,
            HiddenSize = hidden,
            HeadCount = heads,
            HeadDim = headDim,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 500_000,
            RopeScaling = new Llama3RopeScaling(ropeFactor, 1, 4, 8192),
            MaxPositions = Positions,
            TieEmbeddings = tied,
            StorageType = DType.BF16,
            Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(kvHeads), new SwiGluConfiguration(intermediate)), layers)],
        };
}
