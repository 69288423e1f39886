namespace Tessera.Kernels;

/// <summary>Inputs of <see cref="LinearPolicy"/>, each [tokens].</summary>
public unsafe struct PolicyTokens
{
    /// <summary>The sampled tokens; read only where the weight is not 0.</summary>
    public int* Targets;

    /// <summary>Weight of each token's loss; 0 leaves it out.</summary>
    public float* Weights;

    /// <summary>A, the advantage of the response that the token belongs to.</summary>
    public float* Advantages;

    /// <summary>logπ_old of the sampled tokens; null for the policy itself, whose ratio is 1.</summary>
    public float* OldLogProb;

    /// <summary>logπ_ref of the sampled tokens; null only where β is 0.</summary>
    public float* ReferenceLogProb;

    /// <summary>ρ, the correction for samples drawn by another policy than π_old; null for 1.</summary>
    public float* Correction;

    /// <summary>The inputs from token <paramref name="first"/> on.</summary>
    internal readonly PolicyTokens From(int first) => new()
    {
        Targets = Targets + first,
        Weights = Weights + first,
        Advantages = Advantages + first,
        OldLogProb = OldLogProb is null ? null : OldLogProb + first,
        ReferenceLogProb = ReferenceLogProb is null ? null : ReferenceLogProb + first,
        Correction = Correction is null ? null : Correction + first,
    };
}

/// <summary>Outputs of <see cref="LinearPolicy"/>, each [tokens], 0 where the weight is 0.</summary>
public unsafe struct PolicyResults
{
    /// <summary>−ρ·S + β·KL, unweighted.</summary>
    public float* Loss;

    /// <summary>logπ of the sampled tokens.</summary>
    public float* LogProb;

    /// <summary>Entropy of the distribution in nats; may be null.</summary>
    public float* Entropy;

    /// <summary>k3, within its bounds and without β; may be null.</summary>
    public float* Kl;

    /// <summary>What became of the ratio; may be null.</summary>
    public PolicyClip* Clip;

    /// <summary>The outputs from token <paramref name="first"/> on.</summary>
    internal readonly PolicyResults From(int first) => new()
    {
        Loss = Loss + first,
        LogProb = LogProb + first,
        Entropy = Entropy is null ? null : Entropy + first,
        Kl = Kl is null ? null : Kl + first,
        Clip = Clip is null ? null : Clip + first,
    };

    /// <summary>Sets the outputs of a token without weight.</summary>
    internal readonly void Clear(int token)
    {
        Loss[token] = 0;
        LogProb[token] = 0;
        Set(token, 0, 0, PolicyClip.None);
    }

    /// <summary>Sets those that are asked for.</summary>
    internal readonly void Set(int token, float entropy, float kl, PolicyClip clip)
    {
        if (Entropy is not null)
        {
            Entropy[token] = entropy;
        }

        if (Kl is not null)
        {
            Kl[token] = kl;
        }

        if (Clip is not null)
        {
            Clip[token] = clip;
        }
    }
}
