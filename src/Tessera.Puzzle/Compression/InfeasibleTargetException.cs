namespace Tessera.Puzzle.Compression;

/// <summary>No choice of blocks meets the limits; the sentences say which limit, and the nearest that can be met.</summary>
public sealed class InfeasibleTargetException(IReadOnlyList<string> sentences)
    : ArgumentException(string.Join(' ', sentences));
