using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>The functions that every template has.</summary>
internal static class Globals
{
    private static readonly Builtin[] Functions =
    [
        new("range", ["start", "stop", "step"], 1, Range),
        new("dict", [], 0, Dictionary) { TakesAny = true },
        new("namespace", [], 0, call => new NamespaceValue(
            Dictionary(call).Items.ToDictionary(pair => ValueText.Of(pair.Key, call.State), pair => pair.Value))) { TakesAny = true },
        new("joiner", ["sep"], 0, Joiner),
        new("raise_exception", ["message"], 1, call => throw call.State.Error(call.Text(0))),
        new("strftime_now", ["format"], 1, call => Value.Of(TimeFormat.Apply(call.RequireText(0, "the format"), call.State))),
    ];

    public static IEnumerable<FunctionValue> Create(Evaluator evaluator) => Functions.Select(function =>
        new FunctionValue(function.Name, arguments => function.Call(NoneValue.Instance, arguments, evaluator)));

    private static RangeValue Range(BuiltinCall call)
    {
        var parts = call.Bound.TakeWhile(part => part is not null).Select(part => Arithmetic.IsInteger(part!)
            ? Arithmetic.ToInteger(part!)
            : throw call.State.Error($"'{part!.TypeName}' object cannot be interpreted as an integer")).ToList();
        BigInteger start = parts.Count == 1 ? 0 : parts[0];
        BigInteger stop = parts.Count == 1 ? parts[0] : parts[1];
        BigInteger step = parts.Count == 3 ? parts[2] : 1;
        if (step.IsZero)
        {
            throw call.State.Error("range() arg 3 must not be zero");
        }

        BigInteger distance = step.Sign > 0 ? stop - start : start - stop;
        BigInteger count = distance.Sign <= 0 ? 0 : ((distance - 1) / BigInteger.Abs(step)) + 1;
        bool fits = BigInteger.Max(BigInteger.Max(BigInteger.Abs(start), BigInteger.Abs(stop)), BigInteger.Abs(step)) < long.MaxValue;
        return count <= RangeValue.MostElements && fits
            ? new RangeValue((long)start, (long)step, (int)count, (long)stop)
            : throw call.State.Error($"a range has more than {RangeValue.MostElements} elements");
    }

    private static DictionaryValue Dictionary(BuiltinCall call)
    {
        var items = new OrderedDictionary<Value, Value>(new ValueComparer(call.State));
        switch (call.Arguments.Positional)
        {
            case []:
                break;
            case [DictionaryValue source]:
                call.State.BuildList(source.Items.Count * 4L);
                foreach ((Value key, Value value) in source.Items)
                {
                    items[key] = value;
                }

                break;
            case [var pairs]:
                foreach (Value pair in Sequences.ToList(pairs, call.State))
                {
                    var parts = Sequences.Iterate(pair, call.State).Take(3).ToList();
                    items[parts.Count == 2 ? parts[0] : throw call.State.Error("a dictionary is built from pairs")] = parts[1];
                }

                break;
            default:
                throw call.State.Error("dict takes at most 1 argument by place");
        }

        foreach ((string name, Value value) in call.Arguments.Named)
        {
            items[Value.Of(name)] = value;
        }

        return new DictionaryValue(items);
    }

    private static FunctionValue Joiner(BuiltinCall call)
    {
        bool used = false;
        Value separator = call[0] ?? Value.Of(", ");
        return new FunctionValue("joiner", _ =>
        {
            Value result = used ? separator : Value.Of(string.Empty);
            used = true;
            return result;
        });
    }
}
