using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// A model whose parts are asked for one at a time, so that it need not be in memory as a whole: token table, halves of layers, norm, head.
/// </summary>
/// <remarks>Parts that are read take room in the arena that the caller gives, and are valid as long as that.</remarks>
/// <param name="configuration">Shapes.</param>
public abstract class ModelParts(ModelConfiguration configuration) : IDisposable
{
    /// <summary>Shapes and settings.</summary>
    public ModelConfiguration Configuration { get; } = configuration;

    /// <summary>How the matrices of its parts are stored in memory.</summary>
    public abstract DType Type { get; }

    /// <summary>Layers.</summary>
    public int LayerCount => Configuration.Layers.Length;

    /// <summary>Rotary angles, shared by all layers.</summary>
    public abstract RopeTable Rope { get; }

    /// <summary>The mixer of a layer, or null where it has none.</summary>
    /// <exception cref="InvalidDataException">The stored weights are not what the configuration says.</exception>
    public abstract SubBlock? Mixer(int layer, Arena arena);

    /// <summary>The feed-forward of a layer, or null where it has none.</summary>
    /// <exception cref="InvalidDataException">The stored weights are not what the configuration says.</exception>
    public abstract SubBlock? FeedForward(int layer, Arena arena);

    /// <summary>Token table, [vocabulary, hidden].</summary>
    public abstract Parameter Embedding(Arena arena);

    /// <summary>Gain of the norm behind the last layer.</summary>
    public abstract Parameter FinalNorm(Arena arena);

    /// <summary>Output matrix, [vocabulary, hidden]; the token table's numbers where they are tied.</summary>
    public abstract Parameter Head(Arena arena);

    /// <summary>Whose token table, norm and head these are: this model's own, or another's that it shares.</summary>
    public virtual ModelParts OwnerOfEnds => this;

    /// <summary>Both halves of a layer.</summary>
    public DecoderLayer Layer(int layer, Arena arena) => new(Mixer(layer, arena), FeedForward(layer, arena));

    /// <inheritdoc />
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the parts come from.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>The parts of a model that is in memory: nothing is read, and what is given is the model's own.</summary>
/// <param name="model">The model; it stays the caller's.</param>
public sealed class ResidentParts(Decoder model) : ModelParts(model.Configuration)
{
    /// <inheritdoc />
    public override DType Type => model.Embedding.Type;

    /// <inheritdoc />
    public override RopeTable Rope => model.Rope;

    /// <inheritdoc />
    public override SubBlock? Mixer(int layer, Arena arena) => model.Layers[layer].Mixer;

    /// <inheritdoc />
    public override SubBlock? FeedForward(int layer, Arena arena) => model.Layers[layer].FeedForward;

    /// <inheritdoc />
    public override Parameter Embedding(Arena arena) => model.Embedding;

    /// <inheritdoc />
    public override Parameter FinalNorm(Arena arena) => model.FinalNorm;

    /// <inheritdoc />
    public override Parameter Head(Arena arena) => model.Head;
}
