using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;

namespace Tessera.Puzzle.Planning;

/// <summary>Floating-point operations of blockwise distillations, from shapes.</summary>
/// <remarks>
/// Each is evaluated on all calibration tokens before and after, and steps over a batch. A step takes three forwards of what is trained,
/// and two of the parent's half behind it, through which gradients pass.
/// </remarks>
/// <param name="Parent">The parent's shape.</param>
/// <param name="Tokens">Calibration tokens.</param>
/// <param name="Batches">Their batches.</param>
/// <param name="Steps">Steps of a distillation.</param>
/// <param name="Length">Tokens of a document.</param>
public sealed record DistillationWork(ModelConfiguration Parent, double Tokens, int Batches, int Steps, int Length)
{
    private const int Evaluations = 2;

    /// <summary>The work on given batches.</summary>
    public static DistillationWork Of(ModelConfiguration parent, CalibrationSteps steps, BlockDistillationSettings settings)
    {
        int documents = steps.Steps.Sum(step => step.Spans.Length);
        return new DistillationWork(
            parent, steps.Tokens, Math.Max(1, steps.Count), settings.Steps, (int)Math.Max(1, steps.Tokens / Math.Max(1, documents)));
    }

    /// <summary>A half of the library.</summary>
    public double Half(LibraryHalf half) =>
        half.Mixer is { } mixer ? Mixer(Parent.Layers[half.Layer], mixer) : FeedForward(half.FeedForward!);

    /// <summary>Tokens of a step.</summary>
    public double StepTokens => Tokens / Batches;

    /// <summary>A mixer in front of the parent's feed-forward.</summary>
    public double Mixer(LayerConfiguration layer, MixerConfiguration mixer)
    {
        double own = mixer.FlopsPerToken(Parent, WorkRate.Context(Length)), behind = layer.FeedForward.FlopsPerToken(Parent);
        return (Evaluations * Tokens * (own + behind)) + (Steps * StepTokens * ((WorkRate.Training * own) + (2 * behind)));
    }

    /// <summary>A feed-forward on the stream that lies between the halves.</summary>
    public double FeedForward(FeedForwardConfiguration feedForward) => Whole(feedForward.FlopsPerToken(Parent));

    /// <summary>A pair that is trained as one block.</summary>
    public double Pair(LibraryPair pair) => Whole(WorkRate.Layer(Parent, pair.Block.ToLayer(), Length));

    /// <summary>A further round in which channels are cut: the feed-forward, and two more products of its down projection's size.</summary>
    public double ChannelRound(FeedForwardConfiguration feedForward) =>
        feedForward is SwiGluConfiguration swiGlu ? Tokens * (feedForward.FlopsPerToken(Parent) + (4.0 * swiGlu.Width * Parent.HiddenSize)) : 0;

    /// <summary>Bytes of a pair's file.</summary>
    public double BytesOf(LibraryPair pair) =>
        sizeof(float) * (double)(pair.Block.Mixer.ParameterCount(Parent) + pair.Block.FeedForward.ParameterCount(Parent));

    private double Whole(double each) => (Evaluations * Tokens * each) + (Steps * StepTokens * WorkRate.Training * each);
}
