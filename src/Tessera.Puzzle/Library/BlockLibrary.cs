using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Library;

/// <summary>
/// All halves of all layers, on the disk: the parent's own lie in the parent's files, trained ones in a file each, and those that
/// distillation did not change are made from the parent when they are asked for. A feed-forward of another width is then a choice of
/// the parent's channels in an order that is stored once a layer.
/// </summary>
/// <param name="device">Where halves are made and read to.</param>
/// <param name="parent">The parent, in f32.</param>
/// <param name="jobs">The jobs of the library's stage; weights lie in the folder <c>weights</c> beside it.</param>
public sealed class BlockLibrary(Device device, ModelParts parent, JobFolder jobs)
{
    private readonly JobWeights _weights = new(jobs);

    /// <summary>Pairs that were trained as one block and stand for their halves; null where there are none.</summary>
    internal PairLibrary? Pairs { get; init; }

    /// <summary>Shapes of the parent.</summary>
    public ModelConfiguration Shape => parent.Configuration;

    /// <summary>Halves that are made by jobs of their own: all that are neither the parent's nor absent.</summary>
    public static IEnumerable<LibraryHalf> Halves(ModelConfiguration parent) => parent.Layers.SelectMany((layer, index) =>
        VariantGrid.Mixers(layer.Mixer).Skip(1).Where(mixer => mixer is not NoMixerConfiguration)
            .Select(mixer => new LibraryHalf(index, mixer, null))
            .Concat(VariantGrid.FeedForwards(layer.FeedForward).Skip(1).Where(half => half is not NoFeedForwardConfiguration)
                .Select(half => new LibraryHalf(index, null, half))));

    /// <summary>Quality of every trained half by <c>layer/half</c>, for instance <c>3/mixer-kv2</c>; the library must be complete.</summary>
    /// <exception cref="DamagedJobException">A record is not one.</exception>
    public IEnumerable<KeyValuePair<string, VariantQuality>> Quality => Halves(Shape).Select(half =>
    {
        var record = jobs.Read(half.Job);
        return KeyValuePair.Create($"{half.Layer}/{half.Label}", new VariantQuality(record.Numbers("before")[0], record.Numbers("after")[0]));
    });

    /// <summary>A mixer of a layer, in f32; null for none.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public SubBlock? Mixer(int layer, MixerConfiguration mixer, Arena arena) => mixer switch
    {
        NoMixerConfiguration => null,
        _ when mixer == Shape.Layers[layer].Mixer => parent.Mixer(layer, arena),
        _ => Read(new LibraryHalf(layer, mixer, null), arena),
    };

    /// <summary>A feed-forward of a layer, in f32; null for none.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public SubBlock? FeedForward(int layer, FeedForwardConfiguration feedForward, Arena arena) => feedForward switch
    {
        NoFeedForwardConfiguration => null,
        _ when feedForward == Shape.Layers[layer].FeedForward => parent.FeedForward(layer, arena),
        _ => Read(new LibraryHalf(layer, null, feedForward), arena),
    };

    /// <summary>The layer that a variant stands for.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public DecoderLayer Layer(int layer, BlockVariant variant, Arena arena) =>
        new(Mixer(layer, variant, arena), FeedForward(layer, variant, arena));

    /// <summary>This library with pairs in it.</summary>
    /// <param name="pairJobs">The jobs of the pairs' stage, complete.</param>
    /// <param name="pairs">The pairs that it holds.</param>
    public BlockLibrary WithPairs(JobFolder pairJobs, IEnumerable<LibraryPair> pairs) =>
        new(device, parent, jobs) { Pairs = new PairLibrary(parent, pairJobs, pairs) };

    private SubBlock? Mixer(int layer, BlockVariant variant, Arena arena) => Pairs?.Find(layer, variant) is { } pair
        ? Pairs.Mixer(pair, arena) : Mixer(layer, variant.Mixer, arena);

    private SubBlock? FeedForward(int layer, BlockVariant variant, Arena arena) => Pairs?.Find(layer, variant) is { } pair
        ? Pairs.FeedForward(pair, arena) : FeedForward(layer, variant.FeedForward, arena);

    /// <summary>A child's parts: each half as the child's configuration says, and what is outside the layers from the parent.</summary>
    public ModelParts Child(ModelConfiguration configuration) => new ChildParts(this, parent, configuration);

    /// <summary>A half with its initial weights, made from the parent's.</summary>
    /// <param name="half">Which.</param>
    /// <param name="arena">Takes the weights.</param>
    /// <exception cref="DamagedJobException">The record of the channels' order is not one.</exception>
    internal SubBlock Initialise(LibraryHalf half, Arena arena)
    {
        using var source = device.CreateArena("parent half");
        var initializer = new VariantInitializer(device, Factory(arena));
        return half.Mixer is { } mixer
            ? initializer.Mixer(parent.Mixer(half.Layer, source)!, mixer, half.Name)!
            : initializer.FeedForward(
                parent.FeedForward(half.Layer, source)!, half.FeedForward!, ChannelOrder(half), half.Name)!;
    }

    /// <summary>A layer's channels by falling importance: as they were cut in rounds, or as they contribute to the whole.</summary>
    private int[] ChannelOrder(LibraryHalf half)
    {
        var record = jobs.Read(half.OrderJob);
        double[] order = record.Numbers("order");
        return order.Length > 0 ? [.. order.Select(channel => (int)channel)] : ChannelContribution.Order(record.Numbers("channels"));
    }

    private BlockFactory Factory(Arena arena) => new(Shape, parent.Rope, arena, DType.F32);

    private SubBlock Read(LibraryHalf half, Arena arena)
    {
        var record = jobs.Read(half.Job);
        if (record.Files.Count == 0)
        {
            return Initialise(half, arena);
        }

        var factory = Factory(arena);
        var block = half.Mixer is { } mixer ? factory.Mixer(mixer, half.Name)! : factory.FeedForward(half.FeedForward!, half.Name)!;
        _weights.Read(half.Job, record.Files[0], block.Parameters);
        return block;
    }

    /// <summary>The parts of one choice of blocks.</summary>
    private sealed class ChildParts(BlockLibrary library, ModelParts parent, ModelConfiguration configuration) : ModelParts(configuration)
    {
        public override Kernels.RopeTable Rope => parent.Rope;

        public override ModelParts OwnerOfEnds => parent;

        public override SubBlock? Mixer(int layer, Arena arena) => library.Mixer(layer, Block(layer), arena);

        public override SubBlock? FeedForward(int layer, Arena arena) => library.FeedForward(layer, Block(layer), arena);

        public override Tensors.Parameter Embedding(Arena arena) => parent.Embedding(arena);

        public override Tensors.Parameter FinalNorm(Arena arena) => parent.FinalNorm(arena);

        public override Tensors.Parameter Head(Arena arena) => parent.Head(arena);

        private BlockVariant Block(int layer) => new(Configuration.Layers[layer].Mixer, Configuration.Layers[layer].FeedForward);
    }
}
