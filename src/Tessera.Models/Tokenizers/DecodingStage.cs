using System.Globalization;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// One step of turning tokens back into text, as a stage that tokens flow through: <see cref="Add"/> brings some characters of
/// the current token, <see cref="EndToken"/> ends it, <see cref="EndAll"/> ends the sequence. A whole text and a stream take the
/// same way, so they cannot differ. Has state; one chain for each sequence.
/// </summary>
internal abstract class DecodingStage
{
    /// <summary>Some characters of the current token.</summary>
    public abstract void Add(ReadOnlySpan<char> text);

    /// <summary>The current token is complete.</summary>
    public abstract void EndToken();

    /// <summary>No more tokens come.</summary>
    public abstract void EndAll();
}

/// <summary>The end of a chain: gathers text.</summary>
internal sealed class TextSink : DecodingStage
{
    private readonly StringBuilder _text = new();

    /// <inheritdoc />
    public override void Add(ReadOnlySpan<char> text) => _text.Append(text);

    /// <inheritdoc />
    public override void EndToken()
    {
    }

    /// <inheritdoc />
    public override void EndAll()
    {
    }

    /// <summary>The text since the last call.</summary>
    public string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}

/// <summary>A stage that looks at whole tokens.</summary>
internal abstract class WholeTokenStage(DecodingStage next) : DecodingStage
{
    private readonly StringBuilder _token = new();

    /// <summary>Where results go.</summary>
    protected DecodingStage Next { get; } = next;

    /// <inheritdoc />
    public override void Add(ReadOnlySpan<char> text) => _token.Append(text);

    /// <inheritdoc />
    public override void EndToken()
    {
        string token = _token.ToString();
        _token.Clear();
        Accept(token);
    }

    /// <inheritdoc />
    public override void EndAll() => Next.EndAll();

    /// <summary>Takes one token.</summary>
    protected abstract void Accept(string token);

    /// <summary>Passes a token on.</summary>
    protected void Emit(string token)
    {
        Next.Add(token);
        Next.EndToken();
    }
}

/// <summary>
/// The type <c>ByteLevel</c>: characters of <see cref="ByteAlphabet"/> become bytes, bytes become UTF-8 text with U+FFFD for
/// what is no character. A token with any other character stands for its own UTF-8 bytes. The result is one token.
/// </summary>
internal sealed class ByteLevelStage(DecodingStage next) : WholeTokenStage(next)
{
    private readonly System.Text.Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <inheritdoc />
    public override void EndAll()
    {
        Push([], flush: true);
        Next.EndToken();
        Next.EndAll();
    }

    /// <inheritdoc />
    protected override void Accept(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            int value = ByteAlphabet.ToByte(token[i]);
            if (value < 0)
            {
                bytes = Encoding.UTF8.GetBytes(token);
                break;
            }

            bytes[i] = (byte)value;
        }

        Push(bytes, flush: false);
    }

    private void Push(ReadOnlySpan<byte> bytes, bool flush)
    {
        // Up to three bytes may be waiting, and each may become a replacement character.
        char[] characters = new char[bytes.Length + 4];
        int count = _decoder.GetChars(bytes, characters, flush);
        Next.Add(characters.AsSpan(0, count));
    }
}

/// <summary>
/// The type <c>ByteFallback</c>: a run of tokens <c>&lt;0xHH&gt;</c> becomes the characters that its bytes spell, or one U+FFFD a
/// byte if the run as a whole is not valid UTF-8. Only the end of the run tells which, so a stream waits for it.
/// </summary>
internal sealed class ByteFallbackStage(DecodingStage next) : WholeTokenStage(next)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private readonly List<byte> _run = [];

    /// <inheritdoc />
    public override void EndAll()
    {
        EndRun();
        Next.EndAll();
    }

    /// <inheritdoc />
    protected override void Accept(string token)
    {
        if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
        {
            _run.Add(value);
            return;
        }

        EndRun();
        Emit(token);
    }

    private void EndRun()
    {
        if (_run.Count == 0)
        {
            return;
        }

        byte[] bytes = [.. _run];
        _run.Clear();
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            Emit(Strict.GetString(bytes));
            return;
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            Emit("\uFFFD");
        }
    }
}

/// <summary>The type <c>Replace</c>: a literal string in every token.</summary>
internal sealed class ReplaceStage(DecodingStage next, string pattern, string content) : WholeTokenStage(next)
{
    /// <inheritdoc />
    protected override void Accept(string token) => Emit(token.Replace(pattern, content, StringComparison.Ordinal));
}

/// <summary>
/// The type <c>Metaspace</c>: marks become spaces; those of the first token vanish unless nothing was put before the
/// text.
/// </summary>
internal sealed class MetaspaceStage(DecodingStage next, char mark, bool dropsFirst) : WholeTokenStage(next)
{
    private bool _first = true;

    /// <inheritdoc />
    protected override void Accept(string token)
    {
        Emit(_first && dropsFirst ? token.Replace(mark.ToString(), "", StringComparison.Ordinal) : token.Replace(mark, ' '));
        _first = false;
    }
}

/// <summary>The type <c>Fuse</c>: all tokens become one, whose characters flow on at once.</summary>
internal sealed class FuseStage(DecodingStage next) : DecodingStage
{
    /// <inheritdoc />
    public override void Add(ReadOnlySpan<char> text) => next.Add(text);

    /// <inheritdoc />
    public override void EndToken()
    {
    }

    /// <inheritdoc />
    public override void EndAll()
    {
        next.EndToken();
        next.EndAll();
    }
}

/// <summary>The type <c>Strip</c> at a token's start: up to <paramref name="most"/> times a character.</summary>
internal sealed class StripStartStage(DecodingStage next, char character, int most) : DecodingStage
{
    private int _stripped;
    private bool _started;

    /// <inheritdoc />
    public override void Add(ReadOnlySpan<char> text)
    {
        int cut = 0;
        while (!_started && cut < text.Length)
        {
            _started = _stripped == most || text[cut] != character;
            if (!_started)
            {
                cut++;
                _stripped++;
            }
        }

        next.Add(text[cut..]);
    }

    /// <inheritdoc />
    public override void EndToken()
    {
        (_stripped, _started) = (0, false);
        next.EndToken();
    }

    /// <inheritdoc />
    public override void EndAll() => next.EndAll();
}

/// <summary>
/// The type <c>Strip</c> at a token's end: up to <paramref name="most"/> times a character. A stream waits for the
/// token's end.
/// </summary>
internal sealed class StripEndStage(DecodingStage next, char character, int most) : WholeTokenStage(next)
{
    /// <inheritdoc />
    protected override void Accept(string token)
    {
        int length = token.Length;
        while (length > 0 && token.Length - length < most && token[length - 1] == character)
        {
            length--;
        }

        Emit(token[..length]);
    }
}

/// <summary>No decoder at all: the tokens' own texts with a space between.</summary>
internal sealed class JoinStage(DecodingStage next) : WholeTokenStage(next)
{
    private bool _first = true;

    /// <inheritdoc />
    protected override void Accept(string token)
    {
        Emit(_first ? token : " " + token);
        _first = false;
    }
}
