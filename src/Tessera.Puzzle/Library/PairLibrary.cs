using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Library;

/// <summary>Pairs that training as one block improved, in a file each.</summary>
internal sealed class PairLibrary
{
    private readonly ModelParts _parent;
    private readonly JobFolder _jobs;
    private readonly JobWeights _weights;
    private readonly HashSet<LibraryPair> _pairs;

    /// <summary>Opens the pairs of a stage.</summary>
    /// <param name="parent">The parent; pairs are stored in memory as its own halves are.</param>
    /// <param name="jobs">The stage's jobs, complete.</param>
    /// <param name="pairs">The pairs.</param>
    public PairLibrary(ModelParts parent, JobFolder jobs, IEnumerable<LibraryPair> pairs) =>
        (_parent, _jobs, _weights, _pairs) = (parent, jobs, new JobWeights(jobs), [.. pairs]);

    /// <summary>The pair that a variant of a layer was trained as; null where its halves stand as they are.</summary>
    public LibraryPair? Find(int layer, BlockVariant variant)
    {
        var pair = new LibraryPair(layer, variant);
        return _pairs.Contains(pair) && _jobs.Read(pair.Job).Files.Count > 0 ? pair : null;
    }

    /// <summary>The mixer of a pair; null for none.</summary>
    /// <exception cref="DamagedJobException">The file was changed since.</exception>
    public SubBlock? Mixer(LibraryPair pair, Arena arena) => Filled(pair, MixerOf(pair, _parent, _parent.Type, arena));

    /// <summary>The feed-forward of a pair; null for none.</summary>
    /// <exception cref="DamagedJobException">The file was changed since.</exception>
    public SubBlock? FeedForward(LibraryPair pair, Arena arena) => Filled(pair, FeedForwardOf(pair, _parent, _parent.Type, arena));

    /// <summary>A pair's mixer without its numbers.</summary>
    public static SubBlock? MixerOf(LibraryPair pair, ModelParts parent, DType type, Arena arena) =>
        Factory(parent, type, arena).Mixer(pair.Block.Mixer, pair.MixerName);

    /// <summary>A pair's feed-forward without its numbers.</summary>
    public static SubBlock? FeedForwardOf(LibraryPair pair, ModelParts parent, DType type, Arena arena) =>
        Factory(parent, type, arena).FeedForward(pair.Block.FeedForward, pair.FeedForwardName);

    private static BlockFactory Factory(ModelParts parent, DType type, Arena arena) => new(parent.Configuration, parent.Rope, arena, type);

    private SubBlock? Filled(LibraryPair pair, SubBlock? half)
    {
        if (half is not null)
        {
            _weights.Read(pair.Job, _jobs.Read(pair.Job).Files[0], half.Parameters);
        }

        return half;
    }
}
