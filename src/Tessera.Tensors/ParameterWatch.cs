namespace Tessera.Tensors;

/// <summary>Tells whether parameters lie elsewhere than they did: recorded work holds addresses.</summary>
/// <param name="parameters">Which.</param>
public sealed class ParameterWatch(IEnumerable<Parameter> parameters)
{
    private readonly Parameter[] _parameters = [.. parameters];
    private readonly Dictionary<int, nint> _others = [];
    private readonly List<(nint View, nint Gradient)> _addresses = [];

    /// <summary>Whether anything has moved since the last call; true at the first.</summary>
    /// <param name="others">Addresses of what else recorded work reads, such as rotary angles.</param>
    /// <exception cref="InvalidOperationException">A working copy is older than its master, which products refuse as well.</exception>
    public bool HasMoved(params ReadOnlySpan<nint> others)
    {
        bool moved = _addresses.Count == 0;
        for (int i = 0; i < _parameters.Length; i++)
        {
            var now = (_parameters[i].View.Address, _parameters[i].GradientAddress);
            if (_addresses.Count == i)
            {
                _addresses.Add(now);
            }
            else if (_addresses[i] != now)
            {
                _addresses[i] = now;
                moved = true;
            }
        }

        for (int i = 0; i < others.Length; i++)
        {
            if (!_others.TryGetValue(i, out nint before) || before != others[i])
            {
                _others[i] = others[i];
                moved = true;
            }
        }

        return moved;
    }
}
