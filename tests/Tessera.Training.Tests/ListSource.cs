using Tessera.Models.Tests;
using Tessera.Training.Data;

namespace Tessera.Training.Tests;

/// <summary>Documents from a list, over and over.</summary>
internal sealed class ListSource(params TokenDocument[] documents) : IDocumentSource
{
    public TokenDocument Get(long index) => documents[(int)(index % documents.Length)];

    /// <summary>Uniformly weighted documents of given lengths with random ids.</summary>
    public static ListSource OfLengths(int vocabulary, params int[] lengths) =>
        new([.. lengths.Select((length, i) => TokenDocument.Uniform(SmallModel.Ids(length, vocabulary, (ulong)(i + 1))))]);
}
