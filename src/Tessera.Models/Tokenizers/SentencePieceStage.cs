using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// SentencePiece's way back: pieces of bytes become the characters that they spell, one U+FFFD for each byte that belongs to none;
/// U+2581 becomes a space; a space that was put in front of the text is taken away again.
/// </summary>
internal sealed class SentencePieceStage(DecodingStage next, SentencePieceOptions options) : WholeTokenStage(next)
{
    private readonly byte[] _pending = new byte[4];
    private int _pendingCount;
    private bool _atStart = options.AddDummyPrefix || options.RemoveExtraWhitespaces;

    /// <inheritdoc />
    public override void EndAll()
    {
        DropPending();
        Next.EndToken();
        Next.EndAll();
    }

    /// <inheritdoc />
    protected override void Accept(string token)
    {
        if (options.ByteFallback && token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
        {
            _atStart = false;
            _pending[_pendingCount++] = value;
            TakeCharacters();
            return;
        }

        DropPending();
        if (_atStart && token.Length > 0)
        {
            char space = options.EscapeWhitespaces ? '\u2581' : ' ';
            bool stripped = token[0] == space;
            token = stripped ? token[1..] : token;
            _atStart = stripped && token.Length == 0 && options.RemoveExtraWhitespaces;
        }

        Next.Add(options.EscapeWhitespaces ? token.Replace('\u2581', ' ') : token);
    }

    // Whole characters leave at once; bytes that cannot begin one leave as U+FFFD each.
    private void TakeCharacters()
    {
        Span<char> characters = stackalloc char[2];
        while (_pendingCount > 0)
        {
            OperationStatus status = Rune.DecodeFromUtf8(_pending.AsSpan(0, _pendingCount), out Rune rune, out int used);
            if (status == OperationStatus.NeedMoreData)
            {
                return;
            }

            used = status == OperationStatus.Done ? used : 1;
            Next.Add(status == OperationStatus.Done ? characters[..rune.EncodeToUtf16(characters)] : "\uFFFD");
            _pending.AsSpan(used, _pendingCount - used).CopyTo(_pending);
            _pendingCount -= used;
        }
    }

    private void DropPending()
    {
        for (; _pendingCount > 0; _pendingCount--)
        {
            Next.Add("\uFFFD");
        }
    }
}
