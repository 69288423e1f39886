namespace Tessera.Models.Templates;

/// <summary>A macro with the names around its definition.</summary>
internal sealed class MacroCall(MacroDefinition macro, Scope scope, Evaluator evaluator)
{
    public FunctionValue ToFunction() => new(macro.Name, Call);

    private Value Call(Arguments arguments)
    {
        RenderState state = evaluator.State;
        var names = new Scope(scope);
        var parameters = macro.Parameters;
        int passed = Math.Min(arguments.Positional.Count, parameters.Count);
        for (int i = 0; i < passed; i++)
        {
            names.Set(parameters[i].Key, arguments.Positional[i]);
        }

        var others = new OrderedDictionary<Value, Value>(new ValueComparer(state));
        var given = new HashSet<string>(parameters.Take(passed).Select(parameter => parameter.Key));
        Value? caller = null;
        foreach ((string name, Value value) in arguments.Named)
        {
            if (name == "caller" && macro.UsesCaller && caller is null)
            {
                caller = value;
            }
            else if (!given.Add(name))
            {
                throw state.Error($"macro '{macro.Name}' got the argument '{name}' twice");
            }
            else if (parameters.Any(parameter => parameter.Key == name))
            {
                names.Set(name, value);
            }
            else if (macro.UsesNamed)
            {
                others[Value.Of(name)] = value;
            }
            else
            {
                throw state.Error($"macro '{macro.Name}' takes no keyword argument '{name}'");
            }
        }

        if (arguments.Positional.Count > parameters.Count && !macro.UsesPositional)
        {
            throw state.Error($"macro '{macro.Name}' takes not more than {parameters.Count} argument(s)");
        }

        // Defaults may read the parameters in front of them.
        foreach ((string name, Expression? otherwise) in parameters.Where(parameter => !given.Contains(parameter.Key)))
        {
            names.Set(name, otherwise is null ? new UndefinedValue($"parameter '{name}' was not provided") : evaluator.EvaluateIn(otherwise, names));
        }

        if (macro.UsesCaller)
        {
            names.Set("caller", caller ?? new UndefinedValue("no caller defined"));
        }

        if (macro.UsesPositional)
        {
            names.Set("varargs", new ListValue([.. arguments.Positional.Skip(parameters.Count)], isTuple: true));
        }

        if (macro.UsesNamed)
        {
            names.Set("kwargs", new DictionaryValue(others));
        }

        return Value.Of(evaluator.Capture(macro.Body, names));
    }
}
