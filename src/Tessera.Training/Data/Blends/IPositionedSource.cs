namespace Tessera.Training.Data.Blends;

/// <summary>
/// A source whose next document depends on those dealt before: a number alone would find the place only by dealing all of them again.
/// A checkpoint holds both.
/// </summary>
public interface IPositionedSource : IDocumentSource
{
    /// <summary>The state in front of a document: the one that was asked for last, or the next.</summary>
    string PositionBefore(long index);

    /// <summary>Goes to a document with the state that <see cref="PositionBefore"/> gave for it.</summary>
    /// <exception cref="InvalidDataException">The state is not one of this source at this document.</exception>
    void Restore(long index, string position);
}
