namespace Tessera.Training.Data;

/// <summary>A tokenised document and how much each of its tokens counts as a prediction target.</summary>
/// <param name="Ids">Tokens.</param>
/// <param name="Weights">Weight of predicting token i from those before it; the first token's is ignored.</param>
public sealed record TokenDocument(int[] Ids, float[] Weights)
{
    /// <summary>A document whose tokens all count.</summary>
    public static TokenDocument Uniform(int[] ids)
    {
        var weights = new float[ids.Length];
        Array.Fill(weights, 1f);
        return new TokenDocument(ids, weights);
    }
}

/// <summary>
/// An endless, ordered supply of documents: document i depends only on the source and i, so a position is one number and a
/// resumed run reads what it would have read.
/// </summary>
public interface IDocumentSource
{
    /// <summary>Document number <paramref name="index"/>.</summary>
    TokenDocument Get(long index);
}
