using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Models.Configuration;

/// <summary>The shape of a decoder: embeddings [V, h], layers, a norm [h] and a head [V, h].</summary>
/// <remarks>Values are equal when every field is, lists element by element.</remarks>
public sealed record ModelConfiguration
{
    /// <summary>The dialect this was read from.</summary>
    public ModelFamily Architecture { get; init; }

    /// <summary>Rows of the embedding and of the head.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width h of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Query heads, the same in every layer that has attention.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Elements d of one head; not always <see cref="HiddenSize"/> / <see cref="HeadCount"/>.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Added to the mean square in every norm.</summary>
    public required double RmsNormEpsilon { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>Change of the rotary frequencies, or none.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Longest context in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Whether the head is the embedding.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>The token that begins a text, if there is one.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a text.</summary>
    public ImmutableArray<int> EosTokenIds { get; init; } = [];

    /// <summary>Type of the weights on disk: f32 or bf16.</summary>
    public DType StorageType { get; init; } = DType.BF16;

    /// <summary>The layers from the embedding to the head.</summary>
    public required ImmutableArray<LayerConfiguration> Layers { get; init; }

    /// <summary>All parameters; a tied head counts once.</summary>
    public long ParameterCount
    {
        get
        {
            long total = ((TieEmbeddings ? 1L : 2L) * VocabularySize * HiddenSize) + HiddenSize;
            for (int i = 0; i < Layers.Length; i++)
            {
                total += MixerParameterCount(i) + FeedForwardParameterCount(i);
            }

            return total;
        }
    }

    /// <summary>Key and value elements that the caches of all layers keep for each token.</summary>
    public long KvElementsPerToken
    {
        get
        {
            long total = 0;
            foreach (LayerConfiguration layer in Layers)
            {
                total += layer.Mixer.KvElementsPerToken(this);
            }

            return total;
        }
    }

    /// <summary>Parameters of a layer's mixer and its norm.</summary>
    public long MixerParameterCount(int layer) => Layers[layer].Mixer.ParameterCount(this);

    /// <summary>Parameters of a layer's feed-forward and its norm.</summary>
    public long FeedForwardParameterCount(int layer) => Layers[layer].FeedForward.ParameterCount(this);

    /// <summary>Bytes that the caches of all layers keep for each token.</summary>
    public long KvBytesPerToken(DType type) => KvElementsPerToken * type.Bytes();

    /// <summary>
    /// Forward FLOPs for one token that attends to <paramref name="contextLength"/> tokens (itself included): matrix
    /// products of the layers and the head, and attention; 2 a multiply-add, norms and activations not counted.
    /// </summary>
    public double FlopsPerToken(int contextLength)
    {
        double total = 2.0 * VocabularySize * HiddenSize;
        foreach (LayerConfiguration layer in Layers)
        {
            total += layer.Mixer.FlopsPerToken(this, contextLength) + layer.FeedForward.FlopsPerToken(this);
        }

        return total;
    }

    /// <summary>Checks every field against <see cref="ConfigurationLimits"/> and against the others.</summary>
    /// <param name="source">File or shape named in the message.</param>
    /// <exception cref="InvalidDataException">A sentence "source: field is X, expected Y" with the field's JSON name.</exception>
    public void Validate(string source) => ConfigurationValidation.Check(this, source);

    /// <inheritdoc />
    public bool Equals(ModelConfiguration? other) =>
        other is not null
        && Scalars == other.Scalars
        && Settings == other.Settings
        && EosTokenIds.AsSpan().SequenceEqual(other.EosTokenIds.AsSpan())
        && Layers.AsSpan().SequenceEqual(other.Layers.AsSpan());

    /// <inheritdoc />
    public override int GetHashCode() => HashCode.Combine(Scalars, Settings, Layers.Length);

    private (ModelFamily Family, int Vocabulary, int Hidden, int Heads, int HeadDim, int Positions, bool Tied) Scalars =>
        (Architecture, VocabularySize, HiddenSize, HeadCount, HeadDim, MaxPositions, TieEmbeddings);

    private (double Epsilon, double Theta, RopeScaling? Scaling, int? Bos, DType Type) Settings =>
        (RmsNormEpsilon, RopeTheta, RopeScaling, BosTokenId, StorageType);
}
