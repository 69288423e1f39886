namespace Tessera.Inference.Chat;

/// <summary>A piece of output, divided into what is thought and what is answered.</summary>
/// <param name="Reasoning">Text between the tags.</param>
/// <param name="Content">Text of the answer.</param>
public readonly record struct SplitText(string Reasoning, string Content)
{
    /// <summary>Nothing at all.</summary>
    public static SplitText None { get; } = new(string.Empty, string.Empty);

    /// <summary>Whether both parts are empty.</summary>
    public bool IsEmpty => Reasoning.Length == 0 && Content.Length == 0;
}

/// <summary>Where in its output a model is.</summary>
public enum OutputPart
{
    /// <summary>Nothing but whitespace so far, or the beginning of what may become the open tag.</summary>
    Undecided,

    /// <summary>Between the tags.</summary>
    Reasoning,

    /// <summary>In the answer.</summary>
    Content,
}

/// <summary>
/// Divides growing output into reasoning and answer by the texts of its tags. Output is reasoning only if, behind whitespace, it
/// begins with the open tag; otherwise all of it is answer, tags included. Without a close tag everything is reasoning.
/// </summary>
/// <remarks>
/// By text and not by ids, because in most vocabularies a tag is several tokens, and its last character may share a token with
/// what follows. What could still become a tag is held back. Reasoning, close tag and answer together are the output, except the
/// whitespace in front of the open tag; newlines beside the tags are kept. How the text is cut into pieces does not change the parts.
/// </remarks>
public sealed class ReasoningSplitter
{
    /// <summary>Begins the reasoning.</summary>
    public const string OpenTag = "<think>";

    /// <summary>Ends the reasoning.</summary>
    public const string CloseTag = "</think>";

    private string _held = string.Empty;

    /// <summary>A splitter at the beginning of an output.</summary>
    /// <param name="startsInside">Whether the prompt has opened the reasoning already.</param>
    public ReasoningSplitter(bool startsInside = false) => Part = startsInside ? OutputPart.Reasoning : OutputPart.Undecided;

    /// <summary>Where the output is behind the text taken so far.</summary>
    public OutputPart Part { get; private set; }

    /// <summary>Takes more text and returns what is certain.</summary>
    public SplitText Append(string text)
    {
        _held += text;
        Decide();
        string reasoning = Part == OutputPart.Reasoning ? TakeReasoning() : string.Empty;
        string content = Part == OutputPart.Content ? TakeAll() : string.Empty;
        return new SplitText(reasoning, content);
    }

    /// <summary>Ends the output and returns what was held back.</summary>
    public SplitText Flush()
    {
        if (Part == OutputPart.Reasoning)
        {
            return new SplitText(TakeAll(), string.Empty);
        }

        Part = OutputPart.Content;
        return new SplitText(string.Empty, TakeAll());
    }

    private void Decide()
    {
        if (Part != OutputPart.Undecided)
        {
            return;
        }

        string begun = _held.TrimStart();
        if (begun.StartsWith(OpenTag, StringComparison.Ordinal))
        {
            Part = OutputPart.Reasoning;
            _held = begun[OpenTag.Length..];
        }
        else if (!OpenTag.StartsWith(begun, StringComparison.Ordinal))
        {
            Part = OutputPart.Content;
        }
    }

    private string TakeReasoning()
    {
        int end = _held.IndexOf(CloseTag, StringComparison.Ordinal);
        int certain = end >= 0 ? end : _held.Length - StopTextFilter.LongestBeginning(_held, CloseTag);
        string reasoning = _held[..certain];
        _held = _held[(end >= 0 ? end + CloseTag.Length : certain)..];
        Part = end >= 0 ? OutputPart.Content : OutputPart.Reasoning;
        return reasoning;
    }

    private string TakeAll()
    {
        string all = _held;
        _held = string.Empty;
        return all;
    }
}
