using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// The normaliser of SentencePiece: characters replaced by the vocabulary's map, extra spaces removed, a space put in front,
/// spaces written as U+2581. User-defined pieces are kept as they are. A space is U+0020 alone.
/// </summary>
internal sealed class SentencePieceNormalizer : TextNormalizer
{
    private const char Mark = '\u2581';
    private readonly string _file;
    private readonly SentencePieceOptions _options;
    private readonly CharacterMap? _map;
    private readonly AddedTokenMatcher? _kept;

    /// <summary>A normaliser; the character map is checked.</summary>
    public SentencePieceNormalizer(string file, SentencePieceOptions options, IReadOnlyList<string> kept)
    {
        (_file, _options) = (file, options);
        _map = options.CharacterMap.IsEmpty ? null : new CharacterMap(file, options.CharacterMap);
        _kept = kept.Count == 0 ? null : new AddedTokenMatcher(kept.Select((text, id) => (text, new AddedToken(text, id))));
    }

    /// <inheritdoc />
    public override bool IsLocal => _map is null && _kept is null && !_options.RemoveExtraWhitespaces;

    /// <inheritdoc />
    public override string Apply(string text) => Apply(text, _options.AddDummyPrefix);

    /// <inheritdoc />
    public override string Continue(string text) => Apply(text, addPrefix: false);

    private string Apply(string text, bool addPrefix)
    {
        if (text.Length == 0)
        {
            return text;
        }

        if (IsLocal)
        {
            string joined = addPrefix ? " " + text : text;
            return _options.EscapeWhitespaces ? joined.Replace(' ', Mark) : joined;
        }

        char space = _options.EscapeWhitespaces ? Mark : ' ';
        var result = new StringBuilder(text.Length + 1);
        bool previousIsSpace = _options.RemoveExtraWhitespaces, started = false;
        for (int i = 0; i < text.Length;)
        {
            ReadOnlySpan<char> piece = Next(text, i, out int units);
            i += units;
            if (previousIsSpace)
            {
                piece = piece.TrimStart(' ');
            }

            if (piece.Length == 0)
            {
                continue;
            }

            if (!started && addPrefix)
            {
                result.Append(space);
            }

            started = true;
            foreach (char c in piece)
            {
                result.Append(c == ' ' ? space : c);
            }

            previousIsSpace = _options.RemoveExtraWhitespaces && piece[^1] == ' ';
            if (result.Length > NormalizerSequence.GrowthLimit * (text.Length + 64L))
            {
                throw new InvalidDataException(
                    $"{_file}: normalizer_spec makes a text of {text.Length} units longer than {NormalizerSequence.GrowthLimit} times.");
            }
        }

        int length = result.Length;
        while (_options.RemoveExtraWhitespaces && length > 0 && result[length - 1] == space)
        {
            length--;
        }

        return result.ToString(0, length);
    }

    private ReadOnlySpan<char> Next(string text, int start, out int units)
    {
        if (_kept?.LongestAt(text, start) is int kept and > 0)
        {
            units = kept;
            return text.AsSpan(start, kept);
        }

        if (_map is not null && _map.TryReplace(text, start, out units, out string? replacement))
        {
            return replacement;
        }

        units = char.IsHighSurrogate(text[start]) ? 2 : 1;
        return text.AsSpan(start, units);
    }
}
