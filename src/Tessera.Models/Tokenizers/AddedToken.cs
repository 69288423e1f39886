namespace Tessera.Models.Tokenizers;

/// <summary>A token that is found in the text as it stands, before the vocabulary's own rules apply.</summary>
internal sealed record AddedToken(string Content, int Id)
{
    /// <summary>Whether it only counts with no word character on either side.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it swallows the whitespace before it.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>Whether it swallows the whitespace behind it.</summary>
    public bool StripsRight { get; init; }

    /// <summary>Whether it is looked for in the normalised text, in its own normalised form.</summary>
    public bool Normalized { get; init; }

    /// <summary>What is looked for in normalised text; null for what the normaliser makes of the content.</summary>
    public string? NormalizedForm { get; init; }

    /// <summary>
    /// Whether it is a control token: left out of a decoded text on request, and not read from a text where that is unsafe.
    /// </summary>
    public bool Special { get; init; }
}
