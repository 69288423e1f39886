namespace Tessera.Puzzle.Library;

/// <summary>What is trained together in blockwise distillation (Puzzle section 2.2).</summary>
public enum DistillationMode
{
    /// <summary>Each half alone, beside the parent's other half: mixers + feed-forwards jobs a layer.</summary>
    Decoupled,

    /// <summary>Each pair of a mixer and a feed-forward as one block: mixers · feed-forwards jobs a layer.</summary>
    Coupled,

    /// <summary>Each half alone first; then, of every layer, the pairs of the halves that solutions of the search chose.</summary>
    Hybrid,
}
