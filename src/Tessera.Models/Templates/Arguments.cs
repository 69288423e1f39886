using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>What a call passes: values by place and by name.</summary>
internal sealed record Arguments(IReadOnlyList<Value> Positional, IReadOnlyList<KeyValuePair<string, Value>> Named)
{
    public static readonly Arguments None = new([], []);

    /// <summary>Everything but the first values by place.</summary>
    public Arguments Skip(int count) => new([.. Positional.Skip(count)], Named);
}

/// <summary>A filter, test, method or function: its parameters and what it does.</summary>
/// <param name="Name">As templates write it.</param>
/// <param name="Parameters">Names of the parameters, behind the value that it is applied to.</param>
/// <param name="Required">How many of them must be given.</param>
/// <param name="Body">What it computes.</param>
internal sealed record Builtin(string Name, string[] Parameters, int Required, Func<BuiltinCall, Value> Body)
{
    /// <summary>Whether it reads the arguments as they come, any number of them.</summary>
    public bool TakesAny { get; init; }

    /// <summary>Computes the result for a value and the arguments of the call.</summary>
    public Value Call(Value self, Arguments arguments, Evaluator evaluator) =>
        Body(new BuiltinCall(self, arguments, TakesAny ? [] : Bind(arguments, evaluator.State), evaluator));

    private Value?[] Bind(Arguments arguments, RenderState state)
    {
        if (arguments.Positional.Count > Parameters.Length)
        {
            throw state.Error($"{Name} takes at most {Parameters.Length} arguments ({arguments.Positional.Count} given)");
        }

        var bound = new Value?[Parameters.Length];
        for (int i = 0; i < arguments.Positional.Count; i++)
        {
            bound[i] = arguments.Positional[i];
        }

        foreach ((string name, Value value) in arguments.Named)
        {
            int at = Array.IndexOf(Parameters, name);
            if (at < 0 || bound[at] is not null)
            {
                throw state.Error(at < 0 ? $"{Name} has no argument '{name}'" : $"{Name} got the argument '{name}' twice");
            }

            bound[at] = value;
        }

        int missing = Array.IndexOf(bound, null, 0, Required);
        return missing < 0 ? bound : throw state.Error($"{Name} misses its argument '{Parameters[missing]}'");
    }
}

/// <summary>One call of a <see cref="Builtin"/>.</summary>
/// <param name="Self">The value that the filter, test or method is applied to.</param>
/// <param name="Arguments">The arguments as passed.</param>
/// <param name="Bound">The arguments in the order of the parameters; null where one is not given.</param>
/// <param name="Evaluator">Who calls.</param>
internal readonly record struct BuiltinCall(Value Self, Arguments Arguments, Value?[] Bound, Evaluator Evaluator)
{
    public RenderState State => Evaluator.State;

    /// <summary>What the value prints.</summary>
    public string SelfText => ValueText.Of(Self, State);

    public Value? this[int index] => Bound[index];

    /// <summary>The argument, with None counting as not given.</summary>
    public Value? Given(int index) => Bound[index] is NoneValue ? null : Bound[index];

    /// <summary>The argument as text; other values as they print.</summary>
    public string Text(int index, string otherwise = "") => Bound[index] is { } value ? ValueText.Of(value, State) : otherwise;

    /// <summary>The argument, which must be a string.</summary>
    public string RequireText(int index, string what) => Bound[index] is TextValue text
        ? text.Text
        : throw State.Error($"{what} must be a string, not {Bound[index]?.TypeName ?? "missing"}");

    public bool Flag(int index, bool otherwise = false) => Bound[index] is { } value ? Sequences.IsTrue(value) : otherwise;

    /// <summary>The argument as an integer, cut to what a length can be.</summary>
    public int Integer(int index, int otherwise)
    {
        if (Bound[index] is not { } value)
        {
            return otherwise;
        }

        return Arithmetic.IsInteger(value)
            ? (int)BigInteger.Max(-int.MaxValue, BigInteger.Min(int.MaxValue, Arithmetic.ToInteger(value)))
            : throw State.Error($"'{value.TypeName}' object cannot be interpreted as an integer");
    }
}
