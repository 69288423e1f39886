namespace Tessera.Models.Templates;

/// <summary>
/// Attributes and elements, as the immutable sandbox of Jinja2 gives them: <c>a.b</c> asks for a method first and an element second,
/// <c>a['b']</c> the other way round; what is missing is undefined; methods that would change a value are as good as missing.
/// </summary>
internal static class Members
{
    private static readonly HashSet<string> Changing =
    [
        "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
    ];

    public static Value Attribute(Value target, string name, Evaluator evaluator)
    {
        if (target is UndefinedValue undefined)
        {
            throw evaluator.State.Error(undefined.Problem);
        }

        return Own(target, name, evaluator) ?? Sequences.Element(target, Value.Of(name), evaluator.State) ?? Missing(target, name);
    }

    public static Value Item(Value target, Value index, Evaluator evaluator)
    {
        if (target is UndefinedValue undefined)
        {
            throw evaluator.State.Error(undefined.Problem);
        }

        if (Sequences.Element(target, index, evaluator.State) is { } element)
        {
            return element;
        }

        return index is TextValue name ? Own(target, name.Text, evaluator) ?? Missing(target, name.Text) : Missing(target, "at this index");
    }

    /// <summary>What <c>map(attribute='a.b.0')</c> and its like read.</summary>
    public static Value Path(Value target, Value path, Evaluator evaluator, Value? otherwise = null)
    {
        IEnumerable<Value> steps = path is TextValue text
            ? text.Text.Split('.').Select(part => part.Length > 0 && part.All(char.IsAsciiDigit) && part.Length < 10
                ? Value.Of((System.Numerics.BigInteger)int.Parse(part, System.Globalization.CultureInfo.InvariantCulture))
                : Value.Of(part))
            : [path];
        foreach (Value step in steps)
        {
            evaluator.State.Step();
            target = Item(target, step, evaluator);
            if (target is UndefinedValue && otherwise is not null)
            {
                target = otherwise;
            }
        }

        return target;
    }

    /// <summary>An attribute in the narrow sense, or null.</summary>
    private static Value? Own(Value target, string name, Evaluator evaluator)
    {
        switch (target)
        {
            case NamespaceValue ns:
                return ns.Attributes.GetValueOrDefault(name);
            case LoopValue loop:
                return loop.Attribute(name);
            case FunctionValue function when name == "name":
                return Value.Of(function.Name);
            case ListValue or DictionaryValue when Changing.Contains(name) && IsMethod(target, name):
                return new UndefinedValue($"access to attribute '{name}' of '{target.TypeName}' object is unsafe");
        }

        var table = target switch
        {
            TextValue => TextMethods.Table,
            DictionaryValue => CollectionMethods.OfDictionaries,
            ListValue or RangeValue => CollectionMethods.OfLists,
            _ => null,
        };
        return table is not null && table.TryGetValue(name, out Builtin? method)
            ? new FunctionValue(name, arguments => method.Call(target, arguments, evaluator))
            : null;
    }

    private static bool IsMethod(Value target, string name) => target is DictionaryValue
        ? name is "clear" or "pop" or "popitem" or "setdefault" or "update"
        : target is ListValue { IsTuple: false } && name is not ("popitem" or "setdefault" or "update");

    private static UndefinedValue Missing(Value target, string name) => new(
        target is NoneValue ? $"'None' has no attribute '{name}'" : $"'{target.TypeName} object' has no attribute '{name}'");
}
