using Tessera.Models;
using Tessera.Runs;

namespace Tessera.Puzzle.Fusion;

/// <summary>What a fusion stage came to.</summary>
/// <param name="Unfused">The model as it was.</param>
/// <param name="Fused">The fused model, which shares weights with the former; null where nothing could be fused.</param>
/// <param name="Comparison">Before and after; null where nothing could be fused.</param>
/// <param name="Dependency">The dependencies that were measured, or null without data.</param>
internal sealed record FusionOutcome(Decoder Unfused, FusedModel? Fused, FusionComparison? Comparison, DependencyMatrix? Dependency) : IDisposable
{
    /// <summary>The model to go on with.</summary>
    public Decoder Model => Fused?.Model ?? Unfused;

    /// <summary>For every layer of <see cref="Model"/> the layer of the model as it was whose output it is to follow.</summary>
    public IReadOnlyList<int> LayerMap => Fused?.LayerMap ?? [.. Enumerable.Range(0, Unfused.Layers.Count)];

    /// <summary>What later stages depend on: the runs alone, and nothing where there are none.</summary>
    public IEnumerable<(string Name, string Hash)> Identity =>
        Comparison is null ? [] : [("fusion", ContentHash.OfText((Comparison.WholeBlocks ? "blocks " : string.Empty) + string.Join(',', Comparison.Runs)))];

    /// <inheritdoc />
    public void Dispose() => Fused?.Dispose();
}
