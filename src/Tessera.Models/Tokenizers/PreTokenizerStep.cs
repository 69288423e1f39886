namespace Tessera.Models.Tokenizers;

/// <summary>One step of cutting a normalised text into the pieces that are encoded each on its own. Immutable.</summary>
internal abstract class PreTokenizerStep
{
    /// <summary>Whether pieces are from here on made of bytes, each shown as one character of <see cref="ByteAlphabet"/>.</summary>
    public virtual bool MapsBytes => false;

    /// <summary>Whether a piece always ends between a letter or digit and the whitespace behind it, whatever stands around.</summary>
    public virtual bool EndsWords => false;

    /// <summary>Whether a piece always ends between a line feed and a letter, whatever stands around.</summary>
    public virtual bool EndsLines => false;

    /// <summary>Whether something is put before pieces that do not start with a space.</summary>
    public virtual bool AddsPrefix => false;

    /// <summary>
    /// Whether cutting the text before whitespace behind a letter or digit, or between line feed and letter if
    /// <paramref name="atLines"/>, moves no other border of a piece.
    /// </summary>
    public virtual bool AllowsCuts(bool atLines) => true;

    /// <summary>Cuts, and perhaps rewrites, the pieces in <paramref name="buffer"/>.</summary>
    public abstract void Apply(PieceBuffer buffer);
}

/// <summary>The type <c>Split</c> with the behaviours that leave the text whole.</summary>
internal sealed class SplitStep(PieceSplitter splitter) : PreTokenizerStep
{
    /// <inheritdoc />
    public override bool EndsWords => splitter.EndsWords;

    /// <inheritdoc />
    public override bool EndsLines => splitter.EndsLines;

    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => splitter.AllowsCuts(atLines);

    /// <inheritdoc />
    public override void Apply(PieceBuffer buffer) => buffer.Split(splitter);
}

/// <summary>The type <c>Digits</c>: numbers apart from the rest, each digit by itself or whole.</summary>
internal sealed class DigitsStep(bool individual) : PreTokenizerStep
{
    private readonly NumberSplitter _splitter = new(individual ? 1 : int.MaxValue);

    /// <inheritdoc />
    public override void Apply(PieceBuffer buffer) => buffer.Split(_splitter);
}

/// <summary>The type <c>ByteLevel</c>: optionally a leading space and GPT-2's pattern, then bytes.</summary>
internal sealed class ByteLevelStep(bool addPrefixSpace, bool usePattern) : PreTokenizerStep
{
    /// <inheritdoc />
    public override bool MapsBytes => true;

    /// <inheritdoc />
    public override bool EndsWords => usePattern;

    /// <inheritdoc />
    public override bool AddsPrefix => addPrefixSpace;

    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => !atLines || !usePattern;

    /// <inheritdoc />
    public override void Apply(PieceBuffer buffer)
    {
        if (addPrefixSpace)
        {
            buffer.PrefixPieces(' ', piece => piece[0] != ' ');
        }

        if (usePattern)
        {
            buffer.Split(SplitPatterns.ByteLevel);
        }
    }
}

/// <summary>When <see cref="MetaspaceStep"/> puts its mark before a text.</summary>
internal enum PrependScheme
{
    /// <summary>Before every text between added tokens.</summary>
    Always,

    /// <summary>Only at the beginning of the input.</summary>
    First,

    /// <summary>Not at all.</summary>
    Never,
}

/// <summary>The type <c>Metaspace</c>: spaces become a visible mark, and pieces start at marks.</summary>
internal sealed class MetaspaceStep(char mark, PrependScheme scheme, bool split) : PreTokenizerStep
{
    private readonly LiteralBoundarySplitter _splitter = new(mark.ToString(), cutBefore: true);

    /// <inheritdoc />
    public override bool EndsWords => split;

    /// <inheritdoc />
    public override bool AddsPrefix => true;

    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => split;

    /// <inheritdoc />
    public override void Apply(PieceBuffer buffer)
    {
        buffer.Replace(' ', mark);
        if (scheme == PrependScheme.Always)
        {
            buffer.PrefixPieces(mark, piece => piece[0] != mark);
        }
        else if (scheme == PrependScheme.First && buffer.StartsInput)
        {
            buffer.PrefixFirstPiece(mark);
        }

        if (split)
        {
            buffer.Split(_splitter);
        }
    }
}
