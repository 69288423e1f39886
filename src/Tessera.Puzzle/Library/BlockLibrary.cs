using Tessera.Devices;
using Tessera.Kernels;
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
/// <param name="parent">The parent; halves are stored in memory as its own are.</param>
/// <param name="jobs">The jobs of the library's stage; weights lie in the folder <c>weights</c> beside it.</param>
/// <param name="tried">Which halves it holds; null for the whole grid.</param>
public sealed class BlockLibrary(Device device, ModelParts parent, JobFolder jobs, TriedVariants? tried = null)
{
    private readonly JobWeights _weights = new(jobs);

    /// <summary>Pairs that were trained as one block and stand for their halves; null where there are none.</summary>
    internal PairLibrary? Pairs { get; init; }

    /// <summary>Shapes of the parent.</summary>
    public ModelConfiguration Shape => parent.Configuration;

    /// <summary>Where halves stay that are asked for again; null where each is read anew. Then a half lives as long as there.</summary>
    public KeptHalves? Kept { get; set; }

    /// <summary>Halves that are made by jobs of their own: all that are neither the parent's nor absent.</summary>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="tried">Which halves it holds; null for the whole grid.</param>
    public static IEnumerable<LibraryHalf> Halves(ModelConfiguration parent, TriedVariants? tried = null) => parent.Layers.SelectMany((layer, index) =>
        (tried ?? TriedVariants.All).Mixers(layer.Mixer).Skip(1).Where(mixer => mixer is not NoMixerConfiguration)
            .Select(mixer => new LibraryHalf(index, mixer, null))
            .Concat((tried ?? TriedVariants.All).FeedForwards(layer.FeedForward).Skip(1).Where(half => half is not NoFeedForwardConfiguration)
                .Select(half => new LibraryHalf(index, null, half))));

    /// <summary>A mixer of a layer; null for none.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public SubBlock? Mixer(int layer, MixerConfiguration mixer, Arena arena) => mixer switch
    {
        NoMixerConfiguration => null,
        _ when mixer == Shape.Layers[layer].Mixer => Keep(layer, "parent's mixer", mixer.ParameterCount(Shape), arena, room => parent.Mixer(layer, room)),
        _ => Read(new LibraryHalf(layer, mixer, null), mixer.ParameterCount(Shape), arena),
    };

    /// <summary>A feed-forward of a layer; null for none.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public SubBlock? FeedForward(int layer, FeedForwardConfiguration feedForward, Arena arena) => feedForward switch
    {
        NoFeedForwardConfiguration => null,
        _ when feedForward == Shape.Layers[layer].FeedForward =>
            Keep(layer, "parent's feed-forward", feedForward.ParameterCount(Shape), arena, room => parent.FeedForward(layer, room)),
        _ => Read(new LibraryHalf(layer, null, feedForward), feedForward.ParameterCount(Shape), arena),
    };

    /// <summary>The layer that a variant stands for.</summary>
    /// <exception cref="DamagedJobException">What a job left was changed since.</exception>
    public DecoderLayer Layer(int layer, BlockVariant variant, Arena arena) =>
        new(Mixer(layer, variant, arena), FeedForward(layer, variant, arena));

    /// <summary>This library with pairs in it.</summary>
    /// <param name="pairJobs">The jobs of the pairs' stage, complete.</param>
    /// <param name="pairs">The pairs that it holds.</param>
    public BlockLibrary WithPairs(JobFolder pairJobs, IEnumerable<LibraryPair> pairs) =>
        new(device, parent, jobs, tried) { Pairs = new PairLibrary(parent, pairJobs, pairs), Kept = Kept };

    private SubBlock? Mixer(int layer, BlockVariant variant, Arena arena) => Pairs?.Find(layer, variant) is { } pair
        ? Pairs.Mixer(pair, arena) : Mixer(layer, variant.Mixer, arena);

    private SubBlock? FeedForward(int layer, BlockVariant variant, Arena arena) => Pairs?.Find(layer, variant) is { } pair
        ? Pairs.FeedForward(pair, arena) : FeedForward(layer, variant.FeedForward, arena);

    /// <summary>A child's parts: each half as the child's configuration says, and what is outside the layers from the parent.</summary>
    public ModelParts Child(ModelConfiguration configuration) => new ChildParts(this, parent, configuration);

    /// <summary>A half with its initial weights, made from the parent's.</summary>
    /// <param name="half">Which.</param>
    /// <param name="arena">Takes the weights.</param>
    /// <param name="source">The parent's layer where it is in memory; null reads what is needed of it.</param>
    /// <exception cref="DamagedJobException">The record of the channels' order is not one.</exception>
    internal SubBlock Initialise(LibraryHalf half, Arena arena, DecoderLayer? source = null)
    {
        using var room = source is null ? device.CreateArena("parent half") : null;
        var initializer = new VariantInitializer(device, Factory(arena));
        return half.Mixer is { } mixer
            ? initializer.Mixer((room is null ? source!.Mixer : parent.Mixer(half.Layer, room))!, mixer, half.Name)!
            : initializer.FeedForward(
                (room is null ? source!.FeedForward : parent.FeedForward(half.Layer, room))!, half.FeedForward!, ChannelOrder(half), half.Name)!;
    }

    /// <summary>A layer's channels by falling importance: as they were cut in rounds, or as they contribute to the whole.</summary>
    private int[] ChannelOrder(LibraryHalf half)
    {
        var record = jobs.Read(half.OrderJob);
        double[] order = record.Numbers("order");
        return order.Length > 0 ? [.. order.Select(channel => (int)channel)] : ChannelContribution.Order(record.Numbers("channels"));
    }

    /// <summary>A half whose matrices are f32, as an optimiser needs them: the half itself, or an exact copy of one in bf16.</summary>
    /// <param name="half">Which.</param>
    /// <param name="block">Its weights.</param>
    /// <param name="arena">Takes a copy.</param>
    internal SubBlock Masters(LibraryHalf half, SubBlock block, Arena arena)
    {
        if (parent.Type == DType.F32)
        {
            return block;
        }

        var copy = Empty(half, new BlockFactory(Shape, parent.Rope, arena, DType.F32));
        MasterWeights.Fill(device, block, copy);
        return copy;
    }

    private static SubBlock Empty(LibraryHalf half, BlockFactory factory) =>
        half.Mixer is { } mixer ? factory.Mixer(mixer, half.Name)! : factory.FeedForward(half.FeedForward!, half.Name)!;

    private BlockFactory Factory(Arena arena) => new(Shape, parent.Rope, arena, parent.Type);

    private SubBlock? Keep(int layer, string label, long parameters, Arena arena, Func<Arena, SubBlock?> obtain) =>
        Kept is null ? obtain(arena) : Kept.Get(layer, label, parameters * parent.Type.Bytes(), arena, obtain);

    private SubBlock? Read(LibraryHalf half, long parameters, Arena arena) =>
        Keep(half.Layer, half.Label, parameters, arena, room => Read(half, room));

    private SubBlock Read(LibraryHalf half, Arena arena)
    {
        var record = jobs.Read(half.Job);
        if (record.Files.Count == 0)
        {
            return Initialise(half, arena);
        }

        var block = Empty(half, Factory(arena));
        _weights.Read(half.Job, record.Files[0], block.Parameters);
        return block;
    }

    /// <summary>The parts of one choice of blocks.</summary>
    private sealed class ChildParts(BlockLibrary library, ModelParts parent, ModelConfiguration configuration) : ModelParts(configuration)
    {
        public override DType Type => parent.Type;

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
