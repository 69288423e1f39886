using Tessera.Devices;
using Tessera.Models.Blocks;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Halves of one layer that stay in memory while variants or children that share them ask for them in turn, as many as fit. They are the
/// same halves as without it, read or made once.
/// </summary>
/// <param name="device">Whose memory keeps them.</param>
/// <param name="bytes">Most bytes; 0 keeps nothing.</param>
public sealed class KeptHalves(Device device, long bytes) : IDisposable
{
    private readonly Arena _arena = device.CreateArena("halves of a layer");
    private readonly Dictionary<string, SubBlock?> _halves = new(StringComparer.Ordinal);
    private int _layer = -1;

    /// <summary>A half, kept from before or obtained now. It is valid until a half of another layer is asked for.</summary>
    /// <param name="layer">Its layer; with another than before, what was kept goes.</param>
    /// <param name="label">Which half of it.</param>
    /// <param name="size">About its bytes.</param>
    /// <param name="otherwise">Takes it where it does not fit.</param>
    /// <param name="obtain">Reads or makes it in an arena.</param>
    public SubBlock? Get(int layer, string label, long size, Arena otherwise, Func<Arena, SubBlock?> obtain)
    {
        if (_layer != layer)
        {
            _halves.Clear();
            _arena.Reset();
            _layer = layer;
        }

        if (_halves.TryGetValue(label, out var kept))
        {
            return kept;
        }

        if (_arena.UsedBytes + size > bytes)
        {
            return obtain(otherwise);
        }

        var mark = _arena.Mark();
        try
        {
            return _halves[label] = obtain(_arena);
        }
        catch
        {
            _arena.Release(mark);
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();
}
