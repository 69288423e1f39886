using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// A model's parts of which the last layers stay in memory, as many as fit. They come most often: every suffix ends with them.
/// </summary>
internal sealed class CachedParts : ModelParts
{
    private readonly ModelParts _inner;
    private readonly Arena _arena;
    private readonly SubBlock?[] _mixers;
    private readonly SubBlock?[] _feedForwards;
    private readonly int _firstKept;

    /// <summary>Keeps nothing yet.</summary>
    /// <param name="device">Whose memory keeps them.</param>
    /// <param name="inner">Where parts come from; it stays the caller's.</param>
    /// <param name="bytes">Most bytes of kept layers.</param>
    public CachedParts(Device device, ModelParts inner, long bytes)
        : base(inner.Configuration)
    {
        _inner = inner;
        _arena = device.CreateArena("kept layers");
        (_mixers, _feedForwards) = (new SubBlock?[LayerCount], new SubBlock?[LayerCount]);
        _firstKept = LayerCount;
        for (int i = LayerCount - 1; i >= 0; i--)
        {
            bytes -= (Configuration.MixerParameterCount(i) + Configuration.FeedForwardParameterCount(i)) * inner.Type.Bytes();
            if (bytes < 0)
            {
                break;
            }

            _firstKept = i;
        }
    }

    /// <inheritdoc />
    public override DType Type => _inner.Type;

    /// <inheritdoc />
    public override RopeTable Rope => _inner.Rope;

    /// <inheritdoc />
    public override SubBlock? Mixer(int layer, Arena arena) =>
        layer < _firstKept ? _inner.Mixer(layer, arena) : _mixers[layer] ??= _inner.Mixer(layer, _arena);

    /// <inheritdoc />
    public override SubBlock? FeedForward(int layer, Arena arena) =>
        layer < _firstKept ? _inner.FeedForward(layer, arena) : _feedForwards[layer] ??= _inner.FeedForward(layer, _arena);

    /// <inheritdoc />
    public override Parameter Embedding(Arena arena) => _inner.Embedding(arena);

    /// <inheritdoc />
    public override Parameter FinalNorm(Arena arena) => _inner.FinalNorm(arena);

    /// <inheritdoc />
    public override Parameter Head(Arena arena) => _inner.Head(arena);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _arena.Dispose();
        }

        base.Dispose(disposing);
    }
}
