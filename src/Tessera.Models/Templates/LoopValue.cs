using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>The variable <c>loop</c> inside of a <c>for</c>; elements are taken from the source as late as Jinja2 takes them.</summary>
internal sealed class LoopValue : Value
{
    private readonly IEnumerator<Value> _source;
    private readonly Queue<Value> _ahead = new();
    private readonly RenderState _state;
    private IReadOnlyList<Value>? _lastChanged;

    /// <param name="source">The elements, filtered.</param>
    /// <param name="depth">Levels of <c>recursive</c> above this one.</param>
    /// <param name="state">Of the rendering.</param>
    public LoopValue(IEnumerator<Value> source, int depth, RenderState state)
    {
        _source = source;
        Depth = depth;
        _state = state;
    }

    public override string TypeName => "LoopContext";

    public int Depth { get; }

    /// <summary>Renders the body again over other elements; null where the loop is not <c>recursive</c>.</summary>
    public Func<Value, Value>? Again { get; init; }

    public Value? Current { get; private set; }

    private long Index { get; set; } = -1;

    private Value? Previous { get; set; }

    public bool MoveNext()
    {
        if (Peek() is not { } next)
        {
            return false;
        }

        Previous = Current;
        Current = next;
        _ahead.Dequeue();
        Index++;
        return true;
    }

    public Value? Attribute(string name) => name switch
    {
        "index" => Of((BigInteger)(Index + 1)),
        "index0" => Of((BigInteger)Index),
        "revindex" => Of((BigInteger)(Length() - Index)),
        "revindex0" => Of((BigInteger)(Length() - Index - 1)),
        "first" => Of(Index == 0),
        "last" => Of(Peek() is null),
        "length" => Of((BigInteger)Length()),
        "depth" => Of((BigInteger)(Depth + 1)),
        "depth0" => Of((BigInteger)Depth),
        "previtem" => Previous ?? new UndefinedValue("there is no previous item"),
        "nextitem" => Peek() ?? new UndefinedValue("there is no next item"),
        "cycle" => new FunctionValue("cycle", Cycle),
        "changed" => new FunctionValue("changed", Changed),
        _ => null,
    };

    public long Length()
    {
        while (_source.MoveNext())
        {
            _state.Build(RenderState.ElementSize);
            _ahead.Enqueue(_source.Current);
        }

        return Index + 1 + _ahead.Count;
    }

    private Value? Peek()
    {
        if (_ahead.Count == 0)
        {
            if (!_source.MoveNext())
            {
                return null;
            }

            _ahead.Enqueue(_source.Current);
        }

        return _ahead.Peek();
    }

    private Value Cycle(Arguments arguments) => arguments.Positional.Count == 0
        ? throw _state.Error("loop.cycle was called without items")
        : arguments.Positional[(int)(Index % arguments.Positional.Count)];

    private Value Changed(Arguments arguments)
    {
        bool same = _lastChanged is { } last && last.Count == arguments.Positional.Count
            && last.Zip(arguments.Positional).All(pair => Comparison.AreEqual(pair.First, pair.Second, _state));
        _lastChanged = arguments.Positional;
        return Of(!same);
    }
}
