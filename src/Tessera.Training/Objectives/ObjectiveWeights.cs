namespace Tessera.Training.Objectives;

/// <summary>How much each loss counts in the sum that is minimised.</summary>
/// <param name="CrossEntropy">Next-token cross-entropy on the data.</param>
/// <param name="Divergence">KL(teacher ‖ student) of the next-token distributions.</param>
/// <param name="Cosine">
/// 1 − cos of student's and teacher's hidden states behind mapped layers, averaged over the layers. (The Puzzle paper
/// prints a sum over layers; the mean keeps the weight comparable between depths.)
/// </param>
/// <param name="Temperature">Of both distributions in the divergence, which is scaled by its square.</param>
public sealed record ObjectiveWeights(double CrossEntropy, double Divergence, double Cosine, float Temperature = 1f)
{
    /// <summary>Plain language modelling.</summary>
    public static ObjectiveWeights LanguageModelling { get; } = new(1, 0, 0);

    /// <summary>Global distillation as in Puzzle: cosine and KL, no cross-entropy.</summary>
    public static ObjectiveWeights Distillation { get; } = new(0, 1, 1);

    /// <summary>Whether a teacher is needed.</summary>
    public bool NeedsTeacher => Divergence != 0 || Cosine != 0;
}

/// <summary>Mean losses over the weighted tokens of one or several batches.</summary>
/// <param name="CrossEntropy">Nats a token.</param>
/// <param name="Divergence">Nats a token.</param>
/// <param name="Cosine">Mean of 1 − cos.</param>
/// <param name="Weight">Sum of token weights.</param>
public readonly record struct LossValues(double CrossEntropy, double Divergence, double Cosine, double Weight)
{
    /// <summary>The minimised sum.</summary>
    public double Total(ObjectiveWeights weights) =>
        (weights.CrossEntropy * CrossEntropy) + (weights.Divergence * Divergence) + (weights.Cosine * Cosine);

    /// <summary>Mean of two sets of tokens.</summary>
    public static LossValues operator +(LossValues left, LossValues right)
    {
        double weight = left.Weight + right.Weight;
        double a = weight == 0 ? 0 : left.Weight / weight;
        double b = weight == 0 ? 0 : right.Weight / weight;
        return new LossValues(
            (a * left.CrossEntropy) + (b * right.CrossEntropy), (a * left.Divergence) + (b * right.Divergence),
            (a * left.Cosine) + (b * right.Cosine), weight);
    }

    /// <summary>Mean of two sets of tokens.</summary>
    public static LossValues Add(LossValues left, LossValues right) => left + right;
}
