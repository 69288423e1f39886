using System.Collections.Frozen;
using System.Numerics;

namespace Tessera.Models.Templates;

/// <summary>The methods of dictionaries and lists that change nothing.</summary>
internal static class CollectionMethods
{
    public static FrozenDictionary<string, Builtin> OfDictionaries { get; } = new Builtin[]
    {
        new("items", [], 0, call => new ViewValue("dict_items", [.. Pairs((DictionaryValue)call.Self, call.State)])),
        new("keys", [], 0, call => new ViewValue("dict_keys", Counted(call.State, ((DictionaryValue)call.Self).Items.Keys))),
        new("values", [], 0, call => new ViewValue("dict_values", Counted(call.State, ((DictionaryValue)call.Self).Items.Values))),
        new("get", ["key", "default"], 1, call =>
            ((DictionaryValue)call.Self).Items.TryGetValue(call[0]!, out Value? value) ? value : call[1] ?? NoneValue.Instance),
        new("copy", [], 0, call => call.Self),
    }.ToFrozenDictionary(method => method.Name);

    public static FrozenDictionary<string, Builtin> OfLists { get; } = new Builtin[]
    {
        new("index", ["value"], 1, Index),
        new("count", ["value"], 1, call => Value.Of((BigInteger)Items(call).Count(item => Comparison.AreEqual(item, call[0]!, call.State)))),
        new("copy", [], 0, call => call.Self),
    }.ToFrozenDictionary(method => method.Name);

    /// <summary>The entries as tuples of key and value.</summary>
    public static IEnumerable<Value> Pairs(DictionaryValue dictionary, RenderState state) => dictionary.Items.Select(pair =>
    {
        state.Build(2 * RenderState.ElementSize);
        return (Value)new ListValue([pair.Key, pair.Value], isTuple: true);
    });

    private static List<Value> Counted(RenderState state, ICollection<Value> items)
    {
        state.BuildList(items.Count);
        return [.. items];
    }

    private static IEnumerable<Value> Items(BuiltinCall call) => Sequences.Iterate(call.Self, call.State);

    private static Value Index(BuiltinCall call)
    {
        int at = 0;
        foreach (Value item in Items(call))
        {
            if (Comparison.AreEqual(item, call[0]!, call.State))
            {
                return Value.Of((BigInteger)at);
            }

            at++;
        }

        throw call.State.Error("the value is not in the list");
    }
}
