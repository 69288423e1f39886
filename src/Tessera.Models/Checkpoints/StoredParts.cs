using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// The parts of a model that stays on the disk: its files are mapped, a part is converted when it is asked for, and its pages are let
/// go afterwards. What is read has the bits that <see cref="ModelFolder.Load"/> gives it.
/// </summary>
public sealed class StoredParts : ModelParts
{
    private readonly IWeightSource _source;
    private readonly DeviceMemory _memory;

    private StoredParts(ModelConfiguration configuration, IWeightSource source, DType type, DeviceMemory memory)
        : base(configuration)
    {
        (_source, Type, _memory) = (source, type, memory);
        Rope = Decoder.CreateRope(configuration, memory);
    }

    /// <inheritdoc />
    public override DType Type { get; }

    /// <inheritdoc />
    public override RopeTable Rope { get; }

    /// <summary>Opens a model's files and holds their lists of tensors against the configuration; no weight is read.</summary>
    /// <param name="folder">A model's folder or GGUF file.</param>
    /// <param name="type">Storage of matrices in memory; null keeps the files' own.</param>
    /// <param name="target">Whose memory takes the parts; null for the processor's.</param>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or does not hold what the configuration says.</exception>
    public static StoredParts Open(string folder, DType? type = null, Device? target = null)
    {
        IWeightSource source = GgufModel.IsNamed(folder) ? GgufWeights.Open(folder, target) : SafetensorsWeights.Open(folder, target);
        try
        {
            (source as SafetensorsWeights)?.Check();
            return new StoredParts(
                source.Configuration, source, type ?? source.Configuration.StorageType, target?.Memory ?? HostMemory.Instance);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public override SubBlock? Mixer(int layer, Arena arena) =>
        Filled(Factory(arena).Mixer(Configuration.Layers[layer].Mixer, $"layers.{layer}.mixer"), layer);

    /// <inheritdoc />
    public override SubBlock? FeedForward(int layer, Arena arena) =>
        Filled(Factory(arena).FeedForward(Configuration.Layers[layer].FeedForward, $"layers.{layer}.ffn"), layer);

    /// <inheritdoc />
    public override Parameter Embedding(Arena arena) => Table(arena, "embedding", WeightMap.Embedding);

    /// <inheritdoc />
    public override Parameter FinalNorm(Arena arena)
    {
        var norm = Factory(arena).Gain("final");
        _source.Fill(WeightSlice.Vector(WeightMap.FinalNorm, norm));
        return norm;
    }

    /// <inheritdoc />
    public override Parameter Head(Arena arena) => Configuration.TieEmbeddings ? Embedding(arena) : Table(arena, "head", WeightMap.Head);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _source.Dispose();
            Rope.Dispose();
        }

        base.Dispose(disposing);
    }

    private BlockFactory Factory(Arena arena) => ReferenceEquals(arena.Memory, _memory)
        ? new BlockFactory(Configuration, Rope, arena, Type)
        : throw new ArgumentException($"arena '{arena.Name}' lies in another memory than the model's parts", nameof(arena));

    private Parameter Table(Arena arena, string name, string stored)
    {
        var table = Factory(arena).Table(name, Configuration.VocabularySize, Configuration.HiddenSize);
        _source.Fill(WeightSlice.Matrix(stored, table));
        return table;
    }

    private SubBlock? Filled(SubBlock? block, int layer)
    {
        foreach (var slice in block?.Slices(WeightMap.LayerPrefix(layer)) ?? [])
        {
            _source.Fill(slice);
        }

        return block;
    }
}
