using Tessera.Models.Configuration;

namespace Tessera.Training.Measurement;

/// <summary>Arithmetic that a training step's mathematics asks for, a token: what model FLOP rates are made of.</summary>
/// <remarks>
/// 6 FLOP for every parameter of a product (2 forward, 4 backward), the head included and the token table not, plus the products
/// of attention: 12·H·E·T in the full convention (Chowdhery et al. 2022, PaLM, appendix B), half of it in the causal one. Work done
/// twice because of recomputation is not counted, nor are norms, rotations and the optimiser.
/// </remarks>
/// <param name="Products">6 FLOP for every parameter of a product.</param>
/// <param name="FullAttention">Scores and sums of values over all T keys of a document of T tokens, without a causal discount.</param>
public readonly record struct TrainingFlops(double Products, double FullAttention)
{
    /// <summary>FLOP a token without a discount for the causal mask.</summary>
    public double Full => Products + FullAttention;

    /// <summary>FLOP a token with half of attention's products.</summary>
    public double Causal => Products + (FullAttention / 2);

    /// <summary>FLOP a token of documents of one length.</summary>
    public static TrainingFlops PerToken(ModelConfiguration model, int length)
    {
        double hidden = model.HiddenSize, parameters = hidden * model.VocabularySize, attention = 0;
        foreach (var layer in model.Layers)
        {
            parameters += layer.Mixer switch
            {
                AttentionConfiguration kv => hidden * model.HeadDim * ((2.0 * kv.Heads(model)) + (2.0 * kv.KvHeadCount)),
                LinearMixerConfiguration => hidden * hidden,
                _ => 0,
            };
            parameters += layer.FeedForward switch
            {
                SwiGluConfiguration swiGlu => 3 * hidden * swiGlu.Width,
                LinearFeedForwardConfiguration => hidden * hidden,
                _ => 0,
            };
            attention += layer.Mixer is AttentionConfiguration attended
                ? 12.0 * attended.Heads(model) * model.HeadDim * Math.Min(length, attended.Window ?? length)
                : 0;
        }

        return new TrainingFlops(6 * parameters, attention);
    }
}
