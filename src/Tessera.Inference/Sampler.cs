using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Inference;

/// <summary>Chooses the next token from a row of logits.</summary>
public static unsafe class Sampler
{
    /// <summary>
    /// The likeliest token at temperature 0 (the lowest id among equals); else a draw from softmax(logits / temperature),
    /// truncated to the top-k and then to the top-p tokens.
    /// </summary>
    /// <remarks>See <see cref="TokenSampling"/>: a draw depends neither on what else is in the batch nor on the order of the vocabulary.</remarks>
    /// <param name="logits">One row, [vocabulary].</param>
    /// <param name="settings">Temperature, truncation, seed.</param>
    /// <param name="position">Position of the new token in its sequence.</param>
    public static int Choose(ReadOnlySpan<float> logits, GenerationSettings settings, int position) => TokenSampling.Choose(
        logits, new SamplingRow(settings.Seed, settings.Temperature, settings.TopP, settings.TopK, position));

    /// <summary>The token's log-probability at temperature 1, and those of the likeliest tokens, best first.</summary>
    /// <param name="logits">One row.</param>
    /// <param name="vocabulary">Its length.</param>
    /// <param name="token">The chosen token.</param>
    /// <param name="count">How many of the likeliest to report.</param>
    public static (float LogProb, TokenLogProb[] Top) LogProbs(float* logits, int vocabulary, int token, int count)
    {
        float logProb = -LinearCrossEntropy.TokenLoss(logits, vocabulary, token);
        if (count == 0)
        {
            return (logProb, []);
        }

        // log p(i) = log p(token) + z(i) − z(token): one normalisation serves all.
        var row = new ReadOnlySpan<float>(logits, vocabulary);
        var top = new List<(int Id, float Logit)>(count + 1);
        for (int i = 0; i < row.Length; i++)
        {
            if (top.Count == count && row[i] <= top[^1].Logit)
            {
                continue;
            }

            float logit = row[i];
            int place = top.FindIndex(other => other.Logit < logit);
            top.Insert(place < 0 ? top.Count : place, (i, row[i]));
            if (top.Count > count)
            {
                top.RemoveAt(count);
            }
        }

        float own = logits[token];
        return (logProb, [.. top.Select(entry => new TokenLogProb(entry.Id, (float)((double)logProb + entry.Logit - own)))]);
    }
}

/// <summary>A token with the natural log of its probability at temperature 1.</summary>
/// <param name="Token">Its id.</param>
/// <param name="LogProb">ln p.</param>
public readonly record struct TokenLogProb(int Token, float LogProb);
