namespace Tessera.Peers;

/// <summary>A program that runs one sequence of a model.</summary>
internal interface IContender : IDisposable
{
    /// <summary>Forgets the sequence.</summary>
    void Restart();

    /// <summary>Continues the sequence; the logits behind the last token are there when it returns.</summary>
    void Feed(ReadOnlySpan<int> tokens);

    /// <summary>The logits behind the last token.</summary>
    ReadOnlySpan<float> Logits { get; }
}
