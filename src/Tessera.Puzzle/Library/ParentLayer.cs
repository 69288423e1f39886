using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;

namespace Tessera.Puzzle.Library;

/// <summary>The layer of the parent that the last job worked on: jobs of one layer follow each other, and read it once.</summary>
internal sealed class ParentLayer(Device device, ModelParts parent) : IDisposable
{
    private readonly Arena _arena = device.CreateArena("parent layer");
    private DecoderLayer? _layer;
    private int _index = -1;

    /// <summary>A layer; the one that was given before is no longer valid.</summary>
    public DecoderLayer Read(int layer)
    {
        if (_index != layer)
        {
            _index = -1;
            _arena.Reset();
            _layer = parent.Layer(layer, _arena);
            _index = layer;
        }

        return _layer!;
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();
}
