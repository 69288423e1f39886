namespace Tessera.Kernels;

/// <summary>Which gradient the penalty for leaving the reference has; see <see cref="LinearPolicy"/>.</summary>
public enum KlGradient
{
    /// <summary>
    /// Of k3 as a value: 1 − e^Δ. Its expectation is the gradient of KL(reference ‖ policy); it has little variance and is what
    /// most trainers use.
    /// </summary>
    Value,

    /// <summary>
    /// Of e^(logπ − stopgrad logπ)·k3: the score-function part is added, which gives k3 + 1 − e^Δ = −Δ. On samples of the
    /// policy its expectation is the gradient of KL(policy ‖ reference).
    /// </summary>
    OnPolicy,
}

/// <summary>What became of a token's ratio in the clipped objective.</summary>
public enum PolicyClip : byte
{
    /// <summary>The gradient flows.</summary>
    None,

    /// <summary>A &lt; 0 and r &lt; 1 − ε_low: the token is discouraged enough.</summary>
    Low,

    /// <summary>A &gt; 0 and r &gt; 1 + ε_high: the token is encouraged enough.</summary>
    High,

    /// <summary>A &lt; 0 and r &gt; c: the loss of one token is bounded.</summary>
    Dual,
}

/// <summary>Settings of the clipped policy loss.</summary>
public sealed record PolicySettings
{
    /// <summary>Largest |Δ| = |logπ_ref − logπ| that enters the KL term.</summary>
    public const double LargestDifference = 20;

    /// <summary>Largest value of the KL term of a token.</summary>
    public const double LargestKl = 10;

    /// <summary>ε_low: ratios below 1 − ε_low get no gradient where the advantage is negative.</summary>
    public float ClipLow { get; init; } = 0.2f;

    /// <summary>ε_high: ratios above 1 + ε_high get no gradient where the advantage is positive.</summary>
    public float ClipHigh { get; init; } = 0.2f;

    /// <summary>c of the dual clip, above 1, or 0 for none.</summary>
    public float DualClip { get; init; }

    /// <summary>β, the weight of the KL term.</summary>
    public float KlWeight { get; init; }

    /// <summary>Gradient of the KL term.</summary>
    public KlGradient KlGradient { get; init; } = KlGradient.Value;

    /// <summary>τ by which logits are divided: the temperature that the tokens were drawn at.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Fails with a sentence unless every value makes sense.</summary>
    /// <exception cref="ArgumentException">The sentence names the setting.</exception>
    public void Validate()
    {
        if (!(ClipLow >= 0 && ClipLow <= 1) || !(ClipHigh >= 0) || !float.IsFinite(ClipHigh))
        {
            throw new ArgumentException($"the ratio is clipped to 1 - {ClipLow} and 1 + {ClipHigh}; expected a lower width in 0..1 and an upper of at least 0");
        }

        if (DualClip != 0 && !(DualClip > 1 && float.IsFinite(DualClip)))
        {
            throw new ArgumentException($"the dual clip is {DualClip}; expected 0 (off) or a number above 1");
        }

        if (!(KlWeight >= 0) || !float.IsFinite(KlWeight))
        {
            throw new ArgumentException($"the weight of the KL term is {KlWeight}; expected a number of at least 0");
        }

        LinearLogProb.CheckTemperature(Temperature);
    }
}
