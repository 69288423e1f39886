using System.Collections.Frozen;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>What <c>is</c> asks.</summary>
internal static class Tests
{
    public static FrozenDictionary<string, Builtin> Table { get; } = All().ToFrozenDictionary(test => test.Name);

    private static Value Two => Value.Of((BigInteger)2);

    private static IEnumerable<Builtin> All() =>
    [
        Plain("defined", value => value is not UndefinedValue),
        Plain("undefined", value => value is UndefinedValue),
        Plain("none", value => value is NoneValue),
        Plain("boolean", value => value is BooleanValue),
        Plain("true", value => value is BooleanValue { Flag: true }),
        Plain("false", value => value is BooleanValue { Flag: false }),
        Plain("integer", value => value is IntegerValue),
        Plain("float", value => value is FloatValue),
        Plain("number", Arithmetic.IsNumber),
        Plain("string", value => value is TextValue),
        Plain("mapping", value => value is DictionaryValue),
        Plain("iterable", value => Sequences.IsIterable(value) || value is LoopValue),
        Plain("sequence", value => value is UndefinedValue or TextValue or ListValue or DictionaryValue or RangeValue),
        Plain("callable", value => value is FunctionValue or LoopValue or UndefinedValue),
        Plain("escaped", _ => false),
        new("lower", [], 0, call => Value.Of(HasCase(call.SelfText, wantsUpper: false))),
        new("upper", [], 0, call => Value.Of(HasCase(call.SelfText, wantsUpper: true))),
        .. Compared("==", "eq", "equalto", "=="),
        .. Compared("!=", "ne", "!="),
        .. Compared("<", "lt", "lessthan", "<"),
        .. Compared("<=", "le", "<="),
        .. Compared(">", "gt", "greaterthan", ">"),
        .. Compared(">=", "ge", ">="),
        .. Compared("in", "in"),
        new("sameas", ["other"], 1, call => Value.Of(ReferenceEquals(call.Self, call[0]))),
        new("even", [], 0, call => Value.Of(IsRemainder(call, Two, 0))),
        new("odd", [], 0, call => Value.Of(IsRemainder(call, Two, 1))),
        new("divisibleby", ["num"], 1, call => Value.Of(IsRemainder(call, call[0]!, 0))),
        new("filter", [], 0, call => Value.Of(Filters.Table.ContainsKey(call.SelfText))),
        new("test", [], 0, call => Value.Of(Table!.ContainsKey(call.SelfText))),
    ];

    private static Builtin Plain(string name, Func<Value, bool> holds) => new(name, [], 0, call => Value.Of(holds(call.Self)));

    private static Builtin[] Compared(string sign, params string[] names) =>
        [.. names.Select(name => new Builtin(name, ["other"], 1, call => Value.Of(Comparison.Compare(sign, call.Self, call[0]!, call.State))))];

    private static bool IsRemainder(BuiltinCall call, Value divisor, int rest) =>
        Comparison.AreEqual(Arithmetic.Apply("%", call.Self, divisor, call.State), Value.Of((BigInteger)rest), call.State);

    /// <summary><c>str.isupper</c> and <c>str.islower</c>: at least one cased letter, and none of the other case.</summary>
    public static bool HasCase(string text, bool wantsUpper)
    {
        bool any = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool upper = Rune.IsUpper(rune);
            if (upper || Rune.IsLower(rune))
            {
                if (upper != wantsUpper)
                {
                    return false;
                }

                any = true;
            }
        }

        return any;
    }
}
