using Tessera.Devices;

namespace Tessera.Tensors;

/// <summary>
/// Buffers for activation gradients, reused by size within a backward pass and counted by reference, since the two inputs
/// of a residual addition share one gradient.
/// </summary>
internal sealed class GradientPool(Arena arena)
{
    private readonly Dictionary<long, Stack<nint>> _free = [];
    private readonly Dictionary<nint, (long Bytes, int References)> _live = [];

    public nint Rent(long bytes)
    {
        nint address = _free.TryGetValue(bytes, out var stack) && stack.Count > 0 ? stack.Pop() : arena.Allocate(bytes);
        _live[address] = (bytes, 1);
        return address;
    }

    public void Share(nint address)
    {
        var (bytes, references) = _live[address];
        _live[address] = (bytes, references + 1);
    }

    public bool IsShared(nint address) => _live[address].References > 1;

    public void Return(nint address)
    {
        var (bytes, references) = _live[address];
        if (references > 1)
        {
            _live[address] = (bytes, references - 1);
            return;
        }

        _live.Remove(address);
        if (!_free.TryGetValue(bytes, out var stack))
        {
            _free[bytes] = stack = new Stack<nint>();
        }

        stack.Push(address);
    }

    /// <summary>Forgets every buffer; the arena is reset by its owner.</summary>
    public void Clear()
    {
        _live.Clear();
        foreach (var stack in _free.Values)
        {
            stack.Clear();
        }
    }
}
