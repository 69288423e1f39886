namespace Tessera.Training.Data.Blends;

/// <summary>One source of a blend.</summary>
/// <param name="Name">Its name, for people.</param>
/// <param name="Documents">Its documents in its own order.</param>
/// <param name="Count">Documents of one pass; null where it never repeats, as generated problems.</param>
public sealed record BlendPart(string Name, IDocumentSource Documents, long? Count);

/// <summary>A stretch of a blend with weights of its own.</summary>
/// <param name="Until">Tokens of the whole blend at which it ends; null for the last.</param>
/// <param name="Weights">Share of the tokens of every source, in any unit; at least one is above 0.</param>
public sealed record BlendPhase(long? Until, IReadOnlyList<double> Weights);

/// <summary>What of a source was dealt.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Documents">Documents.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="Epochs">Documents by those of one pass; null where it never repeats.</param>
public sealed record BlendUse(string Name, long Documents, long Tokens, double? Epochs);
