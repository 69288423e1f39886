using Tessera.Devices;

namespace Tessera.Tensors;

/// <summary>
/// Packed forms of weights that many steps multiply by, kept beside the masters and made anew when a master has changed. A
/// product that finds one gives the same bits as without it and need not pack the weight itself.
/// </summary>
public sealed class PackedWeights : IDisposable
{
    /// <summary>What a small model's forms may take where nobody says otherwise.</summary>
    public const long DefaultLimitBytes = 256L << 20;

    private readonly Arena _arena;
    private readonly List<Parameter> _weights = [];

    /// <summary>Takes room for the forms of all weights, or of none where they would be larger than the limit together.</summary>
    /// <param name="weights">Matrices; those that have a form already are left alone.</param>
    /// <param name="limitBytes">Most bytes of all forms.</param>
    public PackedWeights(IEnumerable<Parameter> weights, long limitBytes = DefaultLimitBytes)
    {
        var wanted = weights.Where(weight => weight.CanPack && !weight.KeepsPacked).ToList();
        _arena = new Arena("packed weights", wanted.Count == 0 ? HostMemory.Instance : wanted[0].Memory);
        if (wanted.Sum(weight => weight.PackedBytes) <= limitBytes)
        {
            wanted.ForEach(weight => weight.KeepPacked(_arena));
            _weights = wanted;
        }
    }

    /// <summary>Bytes taken.</summary>
    public long Bytes => _weights.Sum(weight => weight.PackedBytes);

    /// <inheritdoc />
    public void Dispose()
    {
        _weights.ForEach(weight => weight.DropPacked());
        _weights.Clear();
        _arena.Dispose();
    }
}
