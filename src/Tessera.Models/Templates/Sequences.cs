using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>Truth, length, elements, indices and slices of values.</summary>
internal static class Sequences
{
    /// <summary>Python's <c>bool()</c>.</summary>
    public static bool IsTrue(Value value) => value switch
    {
        UndefinedValue or NoneValue => false,
        BooleanValue flag => flag.Flag,
        IntegerValue integer => !integer.Number.IsZero,
        FloatValue real => real.Number != 0,
        TextValue text => text.Text.Length > 0,
        ListValue list => list.Items.Count > 0,
        DictionaryValue dictionary => dictionary.Items.Count > 0,
        ViewValue view => view.Items.Count > 0,
        RangeValue range => range.Count > 0,
        _ => true,
    };

    /// <summary>Python's <c>len()</c>, or null where it has none. Characters of a text have to be counted, which takes steps.</summary>
    public static int? Length(Value value, RenderState state) => value switch
    {
        UndefinedValue => 0,
        TextValue text => Count(text.Text, state),
        ListValue list => list.Items.Count,
        DictionaryValue dictionary => dictionary.Items.Count,
        ViewValue view => view.Items.Count,
        RangeValue range => range.Count,
        LoopValue loop => (int)loop.Length(),
        _ => null,
    };

    private static int Count(string text, RenderState state)
    {
        state.Scan(text.Length);
        return PythonText.Length(text);
    }

    /// <summary>Whether <see cref="Iterate"/> takes the value.</summary>
    public static bool IsIterable(Value value) => value is UndefinedValue or TextValue or ListValue or DictionaryValue or ViewValue
        or RangeValue or IteratorValue;

    /// <summary>The elements, each counted as a step; an error where there are none to have.</summary>
    public static IEnumerable<Value> Iterate(Value value, RenderState state)
    {
        IEnumerable<Value> elements = value switch
        {
            UndefinedValue => [],
            TextValue text => PythonText.Characters(text.Text).Select(Value.Of),
            ListValue list => list.Items,
            DictionaryValue dictionary => dictionary.Items.Keys,
            ViewValue view => view.Items,
            RangeValue range => Enumerable.Range(0, range.Count).Select(i => range[i]),
            IteratorValue iterator => Rest(iterator),
            _ => throw state.Error($"'{value.TypeName}' object is not iterable"),
        };
        if (value is TextValue characters)
        {
            state.BuildList(characters.Text.Length);
        }

        return Counted(elements, state);
    }

    /// <summary>All elements as a list.</summary>
    public static List<Value> ToList(Value value, RenderState state)
    {
        var items = new List<Value>();
        foreach (Value item in Iterate(value, state))
        {
            state.RequireLength(items.Count + 1L);
            state.Build(RenderState.ElementSize);
            items.Add(item);
        }

        return items;
    }

    /// <summary>A value whose elements are computed when they are asked for.</summary>
    /// <param name="source">What the elements are computed from.</param>
    /// <param name="elements">The computation.</param>
    /// <param name="state">Of the rendering.</param>
    public static Value Lazily(Value source, IEnumerable<Value> elements, RenderState state)
    {
        const int MostChained = 100;
        int depth = source is IteratorValue inner ? inner.Depth + 1 : 1;
        return depth <= MostChained
            ? new IteratorValue(elements.GetEnumerator(), depth)
            : throw state.Error($"more than {MostChained} filters are chained");
    }

    /// <summary><c>value[index]</c>, or null where there is no such element.</summary>
    public static Value? Element(Value value, Value index, RenderState state)
    {
        if (value is DictionaryValue dictionary)
        {
            bool hashable = index is not (ListValue { IsTuple: false } or DictionaryValue);
            return hashable && dictionary.Items.TryGetValue(index, out Value? found) ? found : null;
        }

        if (!Arithmetic.IsInteger(index) || value is not (TextValue or ListValue or RangeValue))
        {
            return null;
        }

        int count = Length(value, state)!.Value;
        BigInteger at = Arithmetic.ToInteger(index);
        at += at.Sign < 0 ? count : 0;
        if (at.Sign < 0 || at >= count)
        {
            return null;
        }

        switch (value)
        {
            case ListValue list:
                return list.Items[(int)at];
            case RangeValue range:
                return range[(int)at];
            default:
                string text = ((TextValue)value).Text;
                state.Scan(text.Length);
                return Value.Of(count == text.Length ? text[(int)at].ToString() : PythonText.Characters(text)[(int)at]);
        }
    }

    /// <summary><c>value[start:stop:step]</c>; null stands for a part that is left out.</summary>
    public static Value Slice(Value value, Value? start, Value? stop, Value? step, RenderState state)
    {
        if (value is UndefinedValue undefined)
        {
            throw state.Error(undefined.Problem);
        }

        if (value is not (TextValue or ListValue or RangeValue))
        {
            throw state.Error($"'{value.TypeName}' object cannot be sliced");
        }

        int count = Length(value, state)!.Value;
        BigInteger by = Part(step, state) ?? 1;
        if (by.IsZero)
        {
            throw state.Error("a slice's step is zero");
        }

        BigInteger low = by.Sign > 0 ? 0 : -1;
        BigInteger high = by.Sign > 0 ? count : count - 1;
        BigInteger from = Bound(Part(start, state), by.Sign > 0 ? low : high, low, high, count);
        BigInteger to = Bound(Part(stop, state), by.Sign > 0 ? high : low, low, high, count);
        BigInteger distance = by.Sign > 0 ? to - from : from - to;
        int length = distance.Sign <= 0 ? 0 : (int)(((distance - 1) / BigInteger.Abs(by)) + 1);
        // One element needs no step, and a step that is taken is shorter than the sequence.
        return Pick(value, (int)from, length <= 1 ? 1 : (int)by, length, state);
    }

    private static Value Pick(Value value, int from, int by, int length, RenderState state)
    {
        if (value is TextValue text)
        {
            state.BuildText(length * 2L);
            if (by == 1 && PythonText.IsBasic(text.Text))
            {
                return Value.Of(length == 0 ? string.Empty : text.Text.Substring(from, length));
            }

            state.Build((long)text.Text.Length * RenderState.ElementSize);
            var characters = PythonText.Characters(text.Text);
            return Value.Of(string.Concat(Enumerable.Range(0, length).Select(i => characters[from + (i * by)])));
        }

        state.BuildList(length);
        var items = Enumerable.Range(0, length);
        return value is ListValue list
            ? new ListValue([.. items.Select(i => list.Items[from + (i * by)])], list.IsTuple)
            : new ListValue([.. items.Select(i => ((RangeValue)value)[from + (i * by)])]);
    }

    private static BigInteger? Part(Value? part, RenderState state) => part switch
    {
        null or NoneValue => null,
        IntegerValue or BooleanValue => Arithmetic.ToInteger(part),
        _ => throw state.Error("slice indices must be integers or None"),
    };

    private static BigInteger Bound(BigInteger? part, BigInteger otherwise, BigInteger low, BigInteger high, int count)
    {
        if (part is not { } at)
        {
            return otherwise;
        }

        at += at.Sign < 0 ? count : 0;
        return BigInteger.Max(low, BigInteger.Min(high, at));
    }

    private static IEnumerable<Value> Rest(IteratorValue iterator)
    {
        while (iterator.Source.MoveNext())
        {
            yield return iterator.Source.Current;
        }
    }

    private static IEnumerable<Value> Counted(IEnumerable<Value> elements, RenderState state)
    {
        foreach (Value element in elements)
        {
            state.Step();
            yield return element;
        }
    }
}
