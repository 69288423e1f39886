using Tessera.Tensors;

namespace Tessera.Models;

/// <summary>
/// Keeps the residual stream at every depth of a forward: state l is the input of layer l, state L the output of the last.
/// </summary>
public sealed class HiddenCapture
{
    private Tensor[] _states = [];
    private int _next;

    /// <summary>The stream in front of a layer, or behind the last one for index L; empty for layers that did not run.</summary>
    public Tensor this[int depth] => _states[depth];

    internal void Begin(int firstLayer, int layers)
    {
        if (_states.Length != layers + 1)
        {
            _states = new Tensor[layers + 1];
        }

        Array.Clear(_states);
        _next = firstLayer;
    }

    /// <summary>The sum in front of <paramref name="layer"/>, which is also the output of empty layers before it.</summary>
    internal void Reach(int layer, Tensor residual)
    {
        for (; _next <= layer; _next++)
        {
            _states[_next] = residual;
        }
    }
}
