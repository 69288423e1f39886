namespace Tessera.Models.Templates;

/// <summary>Filters that apply a filter or a test to every element; the elements are computed when they are asked for.</summary>
internal static class SelectionFilters
{
    public static IEnumerable<Builtin> All { get; } =
    [
        new("map", [], 0, Map) { TakesAny = true },
        new("select", [], 0, call => Select(call, byAttribute: false, keeps: true)) { TakesAny = true },
        new("reject", [], 0, call => Select(call, byAttribute: false, keeps: false)) { TakesAny = true },
        new("selectattr", [], 0, call => Select(call, byAttribute: true, keeps: true)) { TakesAny = true },
        new("rejectattr", [], 0, call => Select(call, byAttribute: true, keeps: false)) { TakesAny = true },
    ];

    /// <summary>The elements; whatever is false has none, even None.</summary>
    private static IEnumerable<Value> Elements(BuiltinCall call) =>
        Sequences.IsTrue(call.Self) ? Sequences.Iterate(call.Self, call.State) : [];

    private static Value Map(BuiltinCall call)
    {
        var (positional, named) = call.Arguments;
        Func<Value, Value> apply;
        if (positional.Count == 0 && named.Any(pair => pair.Key == "attribute"))
        {
            Value attribute = named.First(pair => pair.Key == "attribute").Value;
            Value? otherwise = named.FirstOrDefault(pair => pair.Key == "default").Value;
            if (named.FirstOrDefault(pair => pair.Key is not ("attribute" or "default")).Key is { } unknown)
            {
                throw call.State.Error($"map has no argument '{unknown}'");
            }

            apply = item => Members.Path(item, attribute, call.Evaluator, otherwise);
        }
        else if (positional.Count > 0 && positional[0] is TextValue name)
        {
            Arguments rest = call.Arguments.Skip(1);
            apply = item => call.Evaluator.ApplyFilter(name.Text, item, rest);
        }
        else
        {
            throw call.State.Error("map requires a filter's name or an attribute");
        }

        return Sequences.Lazily(call.Self, Elements(call).Select(apply), call.State);
    }

    private static Value Select(BuiltinCall call, bool byAttribute, bool keeps)
    {
        var positional = call.Arguments.Positional;
        int first = byAttribute ? 1 : 0;
        if (positional.Count < first)
        {
            throw call.State.Error("the name of the attribute is missing");
        }

        string? test = positional.Count <= first ? null
            : (positional[first] as TextValue)?.Text ?? throw call.State.Error("the name of a test must be a string");
        Arguments rest = call.Arguments.Skip(first + 1);
        return Sequences.Lazily(call.Self, Elements(call).Where(Keeps), call.State);

        bool Keeps(Value item)
        {
            Value value = byAttribute ? Members.Path(item, positional[0], call.Evaluator) : item;
            return (test is null ? Sequences.IsTrue(value) : call.Evaluator.ApplyTest(test, value, rest)) == keeps;
        }
    }
}
