using Tessera.Models.Blocks;

namespace Tessera.Models.Checkpoints;

/// <summary>Which tensors a decoder is stored as, by the names that Llama and DeciLM checkpoints share.</summary>
public static class WeightMap
{
    /// <summary>Name of the token table.</summary>
    public const string Embedding = "model.embed_tokens.weight";

    /// <summary>Name of the output matrix, absent where it is tied to the token table.</summary>
    public const string Head = "lm_head.weight";

    /// <summary>Name of the gain behind the last layer.</summary>
    public const string FinalNorm = "model.norm.weight";

    /// <summary>What the names of a layer's tensors begin with.</summary>
    public static string LayerPrefix(int layer) => $"model.layers.{layer}.";

    /// <summary>All stored tensors of a model.</summary>
    public static IEnumerable<WeightSlice> Slices(Decoder model)
    {
        yield return WeightSlice.Matrix(Embedding, model.Embedding);
        for (int i = 0; i < model.Layers.Count; i++)
        {
            string prefix = LayerPrefix(i);
            foreach (var slice in model.Layers[i].Mixer?.Slices(prefix) ?? [])
            {
                yield return slice;
            }

            foreach (var slice in model.Layers[i].FeedForward?.Slices(prefix) ?? [])
            {
                yield return slice;
            }
        }

        yield return WeightSlice.Vector(FinalNorm, model.FinalNorm);
        if (!ReferenceEquals(model.Head, model.Embedding))
        {
            yield return WeightSlice.Matrix(Head, model.Head);
        }
    }
}
