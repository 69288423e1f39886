using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>
/// A value that a template computes with. The types are closed: none reaches a .NET member, and what a template may ask of each is
/// listed in tables.
/// </summary>
internal abstract class Value
{
    /// <summary>The name of the Python type that it stands for.</summary>
    public abstract string TypeName { get; }

    public static Value Of(bool value) => value ? BooleanValue.True : BooleanValue.False;

    public static Value Of(BigInteger value) => new IntegerValue(value);

    public static Value Of(double value) => new FloatValue(value);

    public static Value Of(string value) => new TextValue(value);
}

/// <summary>What a missing name, attribute or element gives: prints nothing, is false, and fails when it is used further.</summary>
/// <param name="problem">The sentence of that failure.</param>
internal sealed class UndefinedValue(string problem) : Value
{
    public override string TypeName => "Undefined";

    public string Problem { get; } = problem;
}

/// <summary>Python's None.</summary>
internal sealed class NoneValue : Value
{
    public static readonly NoneValue Instance = new();

    public override string TypeName => "NoneType";
}

/// <summary>True or False.</summary>
internal sealed class BooleanValue : Value
{
    public static readonly BooleanValue True = new(true);
    public static readonly BooleanValue False = new(false);

    private BooleanValue(bool value) => Flag = value;

    public override string TypeName => "bool";

    public bool Flag { get; }
}

/// <summary>An integer of any size up to <see cref="Arithmetic.MostIntegerBits"/>.</summary>
internal sealed class IntegerValue(BigInteger number) : Value
{
    public override string TypeName => "int";

    public BigInteger Number { get; } = number;
}

/// <summary>A double.</summary>
internal sealed class FloatValue(double number) : Value
{
    public override string TypeName => "float";

    public double Number { get; } = number;
}

/// <summary>A string; its length and its indices count code points.</summary>
internal sealed class TextValue(string text) : Value
{
    public override string TypeName => "str";

    public string Text { get; } = text;
}

/// <summary>A list or a tuple; nothing changes its elements once it is built.</summary>
internal sealed class ListValue(IReadOnlyList<Value> items, bool isTuple = false) : Value
{
    public override string TypeName => IsTuple ? "tuple" : "list";

    public IReadOnlyList<Value> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;
}

/// <summary>A dictionary in order of insertion; nothing changes it once it is built.</summary>
internal sealed class DictionaryValue(OrderedDictionary<Value, Value> items) : Value
{
    public override string TypeName => "dict";

    public OrderedDictionary<Value, Value> Items { get; } = items;
}

/// <summary>Keys, values or pairs of a dictionary, as its methods give them: countable, but without indices.</summary>
internal sealed class ViewValue(string kind, IReadOnlyList<Value> items) : Value
{
    public override string TypeName => kind;

    public IReadOnlyList<Value> Items { get; } = items;
}

/// <summary>The integers from a start in steps, never more than <see cref="MostElements"/>.</summary>
internal sealed class RangeValue(long start, long step, int count, long stop) : Value
{
    /// <summary>The sandbox of Jinja2 refuses longer ranges.</summary>
    public const int MostElements = 100_000;

    public override string TypeName => "range";

    public int Count { get; } = count;

    public long Start { get; } = start;

    public long Stop { get; } = stop;

    public long Step { get; } = step;

    public Value this[int index] => Of((BigInteger)Start + ((BigInteger)Step * index));
}

/// <summary>What filters such as <c>map</c> and <c>select</c> give: elements that are computed when asked for, once.</summary>
/// <param name="source">The elements.</param>
/// <param name="depth">How many such sources are chained below.</param>
internal sealed class IteratorValue(IEnumerator<Value> source, int depth) : Value
{
    public override string TypeName => "generator";

    public IEnumerator<Value> Source { get; } = source;

    public int Depth { get; } = depth;
}

/// <summary>The one value with attributes that a template may set.</summary>
internal sealed class NamespaceValue(Dictionary<string, Value> attributes) : Value
{
    public override string TypeName => "Namespace";

    public Dictionary<string, Value> Attributes { get; } = attributes;
}

/// <summary>A function, macro or method bound to its value.</summary>
internal sealed class FunctionValue(string name, Func<Arguments, Value> body) : Value
{
    public override string TypeName => "function";

    public string Name { get; } = name;

    public Func<Arguments, Value> Body { get; } = body;
}
