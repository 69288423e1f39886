using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;

namespace Tessera.Puzzle.Planning;

/// <summary>How fast a machine works through large batches, and how much work a token is.</summary>
/// <remarks>
/// A forward takes the model's FLOP for each token, a forward with its backward three times as many; a backward that only passes
/// through frozen weights takes as many as a forward. Row kernels, attention and optimisers take time beside the products, for which
/// <see cref="Share"/> stands: what whole stages of a small compression reached of the rate of large products.
/// </remarks>
/// <param name="hardware">The machine.</param>
/// <param name="storage">Storage of weights while it computes: f32 products, or bf16 ones.</param>
public sealed class WorkRate(Hardware hardware, DType storage)
{
    /// <summary>Operations of a training step for one of a forward.</summary>
    public const int Training = 3;

    /// <summary>Share of the roofline's rate that whole batches reach.</summary>
    private const double Share = 0.6;

    private const int ManyRows = 1 << 20;

    /// <summary>Seconds of so many operations.</summary>
    public double Seconds(double operations) => operations / (Share * hardware.ProductRate(storage, ManyRows));

    /// <summary>Operations of a forward for one token of a document, head included.</summary>
    /// <param name="model">The model.</param>
    /// <param name="length">Tokens of a document; a token attends to half of them on average.</param>
    public static double Forward(ModelConfiguration model, int length) => model.FlopsPerToken(Context(length));

    /// <summary>Operations of one layer's halves for one token.</summary>
    public static double Layer(ModelConfiguration model, LayerConfiguration layer, int length) =>
        layer.Mixer.FlopsPerToken(model, Context(length)) + layer.FeedForward.FlopsPerToken(model);

    /// <summary>Operations of the head for one token.</summary>
    public static double Head(ModelConfiguration model) => 2.0 * model.VocabularySize * model.HiddenSize;

    /// <summary>Positions that a token of a document attends to on average.</summary>
    public static int Context(int length) => Math.Max(1, (length + 1) / 2);
}
