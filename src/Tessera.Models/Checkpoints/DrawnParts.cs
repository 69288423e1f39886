using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// The parts of a model with fresh weights, which lie nowhere: a part is drawn when it is asked for, where it is to lie, with the bits that
/// <see cref="ModelInitializer"/> gives it in a whole model on the same device.
/// </summary>
public sealed class DrawnParts : ModelParts
{
    private readonly ulong _seed;
    private readonly Device _device;
    private readonly Dictionary<string, ModelInitializer.Draw> _draws;

    /// <summary>Draws nothing yet.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Draws them in its own memory.</param>
    /// <param name="type">Storage of matrices in memory: f32 or bf16.</param>
    public DrawnParts(ModelConfiguration configuration, ulong seed, Device device, DType type)
        : base(configuration)
    {
        (_seed, _device, Type) = (seed, device, type);
        using (var shape = Decoder.Allocate(configuration, type, PlanningMemory.Instance))
        {
            _draws = ModelInitializer.Draws(shape).ToDictionary(pair => pair.Parameter.Name, pair => pair.Draw, StringComparer.Ordinal);
        }

        Rope = Decoder.CreateRope(configuration, device.Memory);
    }

    /// <inheritdoc />
    public override DType Type { get; }

    /// <inheritdoc />
    public override RopeTable Rope { get; }

    /// <inheritdoc />
    public override SubBlock? Mixer(int layer, Arena arena) =>
        Drawn(Factory(arena).Mixer(Configuration.Layers[layer].Mixer, $"layers.{layer}.mixer"));

    /// <inheritdoc />
    public override SubBlock? FeedForward(int layer, Arena arena) =>
        Drawn(Factory(arena).FeedForward(Configuration.Layers[layer].FeedForward, $"layers.{layer}.ffn"));

    /// <inheritdoc />
    public override Parameter Embedding(Arena arena) => Table(arena, "embedding");

    /// <inheritdoc />
    public override Parameter FinalNorm(Arena arena) => Drawn(Factory(arena).Gain("final"));

    /// <inheritdoc />
    public override Parameter Head(Arena arena) => Configuration.TieEmbeddings ? Embedding(arena) : Table(arena, "head");

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Rope.Dispose();
        }

        base.Dispose(disposing);
    }

    private BlockFactory Factory(Arena arena) => ReferenceEquals(arena.Memory, _device.Memory)
        ? new BlockFactory(Configuration, Rope, arena, Type)
        : throw new ArgumentException($"arena '{arena.Name}' lies in another memory than that of device {_device.Name}", nameof(arena));

    private Parameter Table(Arena arena, string name) =>
        Drawn(Factory(arena).Table(name, Configuration.VocabularySize, Configuration.HiddenSize));

    private SubBlock? Drawn(SubBlock? block)
    {
        foreach (var parameter in block?.Parameters ?? [])
        {
            Drawn(parameter);
        }

        return block;
    }

    private Parameter Drawn(Parameter parameter)
    {
        ModelInitializer.Fill(_device, parameter, _seed, _draws[parameter.Name]);
        return parameter;
    }
}
