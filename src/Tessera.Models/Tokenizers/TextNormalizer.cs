using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>One step of rewriting a text before it is cut into pieces. Immutable; the text holds no lone surrogates.</summary>
internal abstract class TextNormalizer
{
    /// <summary>
    /// Whether every character is rewritten by itself, so that a text may be cut before a space behind a letter or digit: the parts
    /// rewritten, the first by <see cref="Apply"/> and the others by <see cref="Continue"/>, are then the whole rewritten.
    /// </summary>
    public abstract bool IsLocal { get; }

    /// <summary>Whether a character may be joined with others to another one.</summary>
    public virtual bool Composes => false;

    /// <summary>The rewritten text.</summary>
    public abstract string Apply(string text);

    /// <summary>The rewritten text of one that goes on where another ended.</summary>
    public virtual string Continue(string text) => Apply(text);
}

/// <summary>Puts a string before every text that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : TextNormalizer
{
    /// <inheritdoc />
    public override bool IsLocal => true;

    /// <inheritdoc />
    public override string Continue(string text) => text;

    /// <inheritdoc />
    public override string Apply(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary>Replaces every occurrence of a literal string, from left to right, without looking at what was put in.</summary>
internal sealed class ReplaceNormalizer(string pattern, string content) : TextNormalizer
{
    /// <inheritdoc />
    public override bool IsLocal => pattern.Length == 1;

    /// <inheritdoc />
    public override string Apply(string text) => text.Replace(pattern, content, StringComparison.Ordinal);
}

/// <summary>Unicode's Normalization Form C.</summary>
internal sealed class ComposingNormalizer : TextNormalizer
{
    // No character composes with a space or a line break on either side of it.
    /// <inheritdoc />
    public override bool IsLocal => true;

    /// <inheritdoc />
    public override bool Composes => true;

    /// <inheritdoc />
    public override string Apply(string text) => CanonicalComposition.Compose(text);
}

/// <summary>
/// Several steps after each other. A file could double a text thirty times over; growth beyond <see cref="GrowthLimit"/>
/// times the text is refused before memory runs out.
/// </summary>
internal sealed class NormalizerSequence(string file, IReadOnlyList<TextNormalizer> steps) : TextNormalizer
{
    /// <summary>No honest normaliser makes a text longer than this many times itself (and some constant).</summary>
    public const int GrowthLimit = 64;

    /// <inheritdoc />
    public override bool IsLocal => steps.All(step => step.IsLocal);

    /// <inheritdoc />
    public override bool Composes => steps.Any(step => step.Composes);

    /// <inheritdoc />
    public override string Apply(string text) => Run(text, static (step, part) => step.Apply(part));

    /// <inheritdoc />
    public override string Continue(string text) => Run(text, static (step, part) => step.Continue(part));

    private string Run(string text, Func<TextNormalizer, string, string> rewrite)
    {
        string result = text;
        foreach (TextNormalizer step in steps)
        {
            result = rewrite(step, result);
            if (result.Length > GrowthLimit * (text.Length + 64L))
            {
                throw new InvalidDataException($"{file}: normalizer makes a text of {text.Length} units longer than {GrowthLimit} times.");
            }
        }

        return result;
    }
}

/// <summary>Text as the tokenizer sees it.</summary>
internal static class WellFormedText
{
    /// <summary>The text itself where it is valid UTF-16, otherwise a copy in which every lone surrogate is U+FFFD.</summary>
    public static string From(ReadOnlySpan<char> text)
    {
        if (IndexOfLoneSurrogate(text) < 0)
        {
            return text.ToString();
        }

        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            result.Append(rune.ToString());
        }

        return result.ToString();
    }

    private static int IndexOfLoneSurrogate(ReadOnlySpan<char> text)
    {
        int start = 0;
        while (true)
        {
            int found = text[start..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (found < 0)
            {
                return -1;
            }

            int i = start + found;
            if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
            {
                return i;
            }

            start = i + 2;
        }
    }
}
