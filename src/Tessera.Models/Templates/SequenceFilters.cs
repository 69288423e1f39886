using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Filters that look at a sequence as a whole.</summary>
internal static class SequenceFilters
{
    public static IEnumerable<Builtin> All { get; } =
    [
        new("length", [], 0, Length),
        new("count", [], 0, Length),
        new("list", [], 0, call => new ListValue(Sequences.ToList(call.Self, call.State))),
        new("items", [], 0, Items),
        new("first", [], 0, First),
        new("last", [], 0, Last),
        new("reverse", [], 0, Reverse),
        new("join", ["d", "attribute"], 0, Join),
        new("sort", ["reverse", "case_sensitive", "attribute"], 0, Sort),
        new("dictsort", ["case_sensitive", "by", "reverse"], 0, SortDictionary),
        new("unique", ["case_sensitive", "attribute"], 0, Unique),
        new("min", ["case_sensitive", "attribute"], 0, call => Extreme(call, sign: -1)),
        new("max", ["case_sensitive", "attribute"], 0, call => Extreme(call, sign: 1)),
        new("sum", ["attribute", "start"], 0, Sum),
        new("batch", ["linecount", "fill_with"], 1, Batch),
        new("slice", ["slices", "fill_with"], 1, Slice),
        new("groupby", ["attribute", "default", "case_sensitive"], 1, Group),
    ];

    private static Value Length(BuiltinCall call) => Sequences.Length(call.Self, call.State) is { } count
        ? Value.Of((BigInteger)count)
        : throw call.State.Error($"object of type '{call.Self.TypeName}' has no len()");

    private static Value Items(BuiltinCall call) => call.Self switch
    {
        UndefinedValue => new ListValue([]),
        DictionaryValue dictionary => Sequences.Lazily(call.Self, CollectionMethods.Pairs(dictionary, call.State), call.State),
        _ => throw call.State.Error("can only get item pairs from a mapping"),
    };

    private static Value First(BuiltinCall call)
    {
        foreach (Value item in Sequences.Iterate(call.Self, call.State))
        {
            return item;
        }

        return new UndefinedValue("no first item, the sequence was empty");
    }

    private static Value Last(BuiltinCall call)
    {
        if (call.Self is IteratorValue)
        {
            throw call.State.Error("a generator cannot be reversed");
        }

        var items = Sequences.ToList(call.Self, call.State);
        Value none = new UndefinedValue("no last item, the sequence was empty");
        return items.LastOrDefault(none);
    }

    private static Value Reverse(BuiltinCall call)
    {
        var items = Sequences.ToList(call.Self, call.State);
        items.Reverse();
        return call.Self is TextValue
            ? Value.Of(string.Concat(items.Select(item => ((TextValue)item).Text)))
            : Sequences.Lazily(call.Self, items, call.State);
    }

    private static TextValue Join(BuiltinCall call)
    {
        string separator = call.Text(0);
        var text = new StringBuilder();
        bool any = false;
        foreach (Value item in Sequences.Iterate(call.Self, call.State))
        {
            Value part = call.Given(1) is { } attribute ? Members.Path(item, attribute, call.Evaluator) : item;
            string next = ValueText.Of(part, call.State);
            call.State.RequireLength((long)text.Length + separator.Length + next.Length);
            call.State.Build(separator.Length + next.Length);
            text.Append(any ? separator : string.Empty).Append(next);
            any = true;
        }

        return new TextValue(text.ToString());
    }

    private static Value Folded(Value value, bool caseSensitive, RenderState state)
    {
        if (caseSensitive || value is not TextValue text)
        {
            return value;
        }

        state.Build(text.Text.Length);
        return Value.Of(text.Text.ToLowerInvariant());
    }

    private static Value Key(BuiltinCall call, Value item, Value? attribute, bool caseSensitive) =>
        Folded(attribute is null ? item : Members.Path(item, attribute, call.Evaluator), caseSensitive, call.State);

    /// <summary>What <c>sort(attribute='a,b')</c> compares: always a list, so that equal elements need no order between them.</summary>
    private static ListValue SortKey(BuiltinCall call, Value item, Value? attribute, bool caseSensitive) =>
        attribute is TextValue { Text: var path }
            ? new ListValue([.. path.Split(',').Select(part => Key(call, item, Value.Of(part), caseSensitive))])
            : new ListValue([Key(call, item, attribute, caseSensitive)]);

    private static ListValue Sort(BuiltinCall call) =>
        new ListValue(Sorted(call, Sequences.ToList(call.Self, call.State), item => SortKey(call, item, call.Given(2), call.Flag(1)), call.Flag(0)));

    private static List<Value> Sorted(BuiltinCall call, List<Value> items, Func<Value, Value> key, bool descending)
    {
        var keyed = items.ConvertAll(item => (Key: key(item), Item: item));
        int sign = descending ? -1 : 1;
        return StableSort.Sort(keyed, (a, b) => sign * Comparison.Order(a.Key, b.Key, call.State)).ConvertAll(pair => pair.Item);
    }

    private static ListValue SortDictionary(BuiltinCall call)
    {
        string by = call.Text(1, "key");
        if (call.Self is not DictionaryValue dictionary || by is not ("key" or "value"))
        {
            throw call.State.Error("dictsort sorts a mapping by 'key' or 'value'");
        }

        int part = by == "key" ? 0 : 1;
        var pairs = CollectionMethods.Pairs(dictionary, call.State).ToList();
        return new ListValue(Sorted(
            call, pairs, pair => Folded(((ListValue)pair).Items[part], call.Flag(0), call.State), call.Flag(2)));
    }

    private static Value Unique(BuiltinCall call)
    {
        // The elements' lazy reading outlives the call.
        BuiltinCall copy = call;
        return Sequences.Lazily(call.Self, Distinct(), call.State);

        IEnumerable<Value> Distinct()
        {
            var seen = new HashSet<Value>(new ValueComparer(copy.State));
            foreach (Value item in Sequences.Iterate(copy.Self, copy.State))
            {
                copy.State.Build(RenderState.ElementSize);
                if (seen.Add(Key(copy, item, copy.Given(1), copy.Flag(0))))
                {
                    yield return item;
                }
            }
        }
    }

    private static Value Extreme(BuiltinCall call, int sign)
    {
        Value? best = null, bestKey = null;
        foreach (Value item in Sequences.Iterate(call.Self, call.State))
        {
            Value key = Key(call, item, call.Given(1), call.Flag(0));
            if (bestKey is null || sign * Comparison.Order(key, bestKey, call.State) > 0)
            {
                (best, bestKey) = (item, key);
            }
        }

        return best ?? new UndefinedValue("no aggregated item, the sequence was empty");
    }

    private static Value Sum(BuiltinCall call)
    {
        Value sum = call[1] ?? Value.Of(BigInteger.Zero);
        foreach (Value item in Sequences.Iterate(call.Self, call.State))
        {
            Value next = call.Given(0) is { } attribute ? Members.Path(item, attribute, call.Evaluator) : item;
            sum = sum is TextValue ? throw call.State.Error("sum() cannot add strings") : Arithmetic.Apply("+", sum, next, call.State);
        }

        return sum;
    }

    private static Value Batch(BuiltinCall call)
    {
        int size = Math.Max(1, call.Integer(0, 1));
        var rows = Sequences.ToList(call.Self, call.State).Chunk(size).Select(row => new List<Value>(row)).ToList();
        if (rows.Count > 0 && call.Given(1) is { } fill)
        {
            Fill(call, rows[^1], size, fill);
        }

        return Sequences.Lazily(call.Self, rows.Select(row => new ListValue(row)), call.State);
    }

    private static Value Slice(BuiltinCall call)
    {
        var items = Sequences.ToList(call.Self, call.State);
        int count = call.Integer(0, 1);
        if (count <= 0)
        {
            throw call.State.Error("slice: the number of slices must be positive");
        }

        call.State.BuildList(count);
        int size = items.Count / count;
        int longer = items.Count % count;
        var slices = new List<Value>();
        for (int i = 0, at = 0; i < count; i++)
        {
            int take = size + (i < longer ? 1 : 0);
            var slice = items.GetRange(at, take);
            if (call.Given(1) is { } fill && i >= longer)
            {
                slice.Add(fill);
            }

            slices.Add(new ListValue(slice));
            at += take;
        }

        return Sequences.Lazily(call.Self, slices, call.State);
    }

    private static void Fill(BuiltinCall call, List<Value> row, int size, Value fill)
    {
        call.State.BuildList(size);
        while (row.Count < size)
        {
            row.Add(fill);
        }
    }

    private static ListValue Group(BuiltinCall call)
    {
        bool caseSensitive = call.Flag(2);
        Value Original(Value item) => Members.Path(item, call[0]!, call.Evaluator, call.Given(1));
        Value Of(Value item) => Folded(Original(item), caseSensitive, call.State);
        var groups = new List<(Value Key, List<Value> Items)>();
        foreach (Value item in Sorted(call, Sequences.ToList(call.Self, call.State), Of, descending: false))
        {
            if (groups.Count == 0 || !Comparison.AreEqual(groups[^1].Key, Of(item), call.State))
            {
                groups.Add((Of(item), []));
            }

            groups[^1].Items.Add(item);
        }

        return new ListValue([.. groups.Select(group => new ListValue([Original(group.Items[0]), new ListValue(group.Items)], isTuple: true))]);
    }
}
