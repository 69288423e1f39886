namespace Tessera.Models.Tokenizers;

/// <summary>
/// The ids of pieces met before. Every piece has one place; a newcomer drives out who is there, so the size is bounded and
/// readers need no lock (an entry is immutable and a reference is written at once).
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Longer pieces seldom come back.</summary>
    public const int LongestPiece = 48;

    private const int Places = 1 << 15;
    private readonly Entry?[] _entries = new Entry?[Places];

    /// <summary>The ids of a piece, if they are known.</summary>
    public bool TryGet(ReadOnlySpan<char> piece, out ReadOnlySpan<int> ids)
    {
        Entry? entry = piece.Length <= LongestPiece ? Volatile.Read(ref _entries[Place(piece)]) : null;
        bool found = entry is not null && piece.SequenceEqual(entry.Piece);
        ids = found ? entry!.Ids : default;
        return found;
    }

    /// <summary>Remembers the ids of a piece, unless it is long.</summary>
    public void Store(ReadOnlySpan<char> piece, ReadOnlySpan<int> ids)
    {
        if (piece.Length <= LongestPiece)
        {
            Volatile.Write(ref _entries[Place(piece)], new Entry(piece.ToString(), ids.ToArray()));
        }
    }

    private static int Place(ReadOnlySpan<char> piece) => string.GetHashCode(piece) & (Places - 1);

    private sealed record Entry(string Piece, int[] Ids);
}
