using Tessera.Devices;
using Tessera.Models.Configuration;

namespace Tessera.Models.Blocks;

/// <summary>
/// Keys and values of a fixed number of sequences, layer by layer in each layer's own geometry; layers without attention
/// hold nothing.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private readonly Arena _arena = new("key-value cache");
    private readonly LayerStore[] _layers;
    private readonly int[] _lengths;

    /// <summary>Takes room for <paramref name="sequences"/> × <paramref name="capacity"/> positions.</summary>
    public KeyValueCache(ModelConfiguration configuration, int sequences, int capacity, DType type)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Type = type;
        Capacity = capacity;
        _lengths = new int[sequences];
        _layers = new LayerStore[configuration.Layers.Length];
        for (int i = 0; i < _layers.Length; i++)
        {
            if (configuration.Layers[i].Mixer is AttentionConfiguration attention)
            {
                int width = attention.KvHeadCount * configuration.HeadDim;
                long bytes = (long)sequences * capacity * width * type.Bytes();
                _layers[i] = new LayerStore(_arena.Allocate(bytes), _arena.Allocate(bytes), width);
            }
        }
    }

    /// <summary>Storage of keys and values: f32 or bf16.</summary>
    public DType Type { get; }

    /// <summary>Positions a sequence can hold.</summary>
    public int Capacity { get; }

    /// <summary>Sequences it can hold.</summary>
    public int Sequences => _lengths.Length;

    /// <summary>Bytes it holds.</summary>
    public long Bytes => _arena.CapacityBytes;

    /// <summary>Positions stored of a sequence.</summary>
    public int Length(int slot) => _lengths[slot];

    /// <summary>Forgets a sequence's positions from <paramref name="length"/> on.</summary>
    public void Truncate(int slot, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, _lengths[slot]);
        _lengths[slot] = length;
    }

    /// <summary>Says that a step has stored a sequence's next positions in every layer.</summary>
    /// <exception cref="InvalidOperationException">The sequence would outgrow the cache.</exception>
    public void Advance(int slot, int count)
    {
        EnsureRoom(slot, count);
        _lengths[slot] += count;
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    internal void EnsureRoom(int slot, int count)
    {
        if (count > Capacity - _lengths[slot])
        {
            throw new InvalidOperationException(
                $"sequence {slot} holds {_lengths[slot]} positions, {count} more do not fit a cache of {Capacity}");
        }
    }

    /// <summary>Addresses of position 0 of a sequence's keys and values in a layer, and elements from one position to the next.</summary>
    internal (nint Keys, nint Values, int Width) Store(int layer, int slot)
    {
        var store = _layers[layer];
        nint offset = (nint)((long)slot * Capacity * store.Width * Type.Bytes());
        return (store.Keys + offset, store.Values + offset, store.Width);
    }

    private readonly record struct LayerStore(nint Keys, nint Values, int Width);
}
