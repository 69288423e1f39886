using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>JSON as values of a template; the nodes are read, never kept or changed.</summary>
internal static class JsonValues
{
    public static IEnumerable<KeyValuePair<string, Value>> Of(JsonObject variables, RenderState state)
    {
        try
        {
            return [.. variables.Select(pair => KeyValuePair.Create(pair.Key, Of(pair.Value, state)))];
        }
        catch (ArgumentException)
        {
            throw state.Error("the variables have a key twice");
        }
        catch (InvalidOperationException)
        {
            throw state.Error("the variables hold a string that is not valid Unicode");
        }
    }

    private static Value Of(JsonNode? node, RenderState state)
    {
        state.Step();
        switch (node)
        {
            case null:
                return NoneValue.Instance;
            case JsonArray array:
                state.Enter();
                var items = new ListValue([.. array.Select(item => Of(item, state))]);
                state.Leave();
                return items;
            case JsonObject members:
                state.Enter();
                var pairs = new OrderedDictionary<Value, Value>(members.Count, new ValueComparer(state));
                foreach ((string key, JsonNode? item) in members)
                {
                    pairs[Value.Of(key)] = Of(item, state);
                }

                state.Leave();
                return new DictionaryValue(pairs);
            default:
                return OfScalar((JsonValue)node, state);
        }
    }

    private static Value OfScalar(JsonValue value, RenderState state)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String:
                return Value.Of(value.GetValue<string>());
            case JsonValueKind.True or JsonValueKind.False:
                return Value.Of(value.GetValue<bool>());
            case JsonValueKind.Null:
                return NoneValue.Instance;
            case JsonValueKind.Number:
                return Number(value, state);
            default:
                throw state.Error("the variables hold a value that is no JSON");
        }
    }

    /// <summary>A number with a fraction or an exponent in its source, or one that was given as such a type, is a float.</summary>
    private static Value Number(JsonValue value, RenderState state)
    {
        const int Longest = 4300;
        bool isText = value.TryGetValue(out JsonElement element);
        string digits = isText ? element.GetRawText() : value.ToJsonString();
        bool isFloat = digits.AsSpan().ContainsAny('.', 'e', 'E')
            || (!isText && value.GetValue<object>() is double or float or decimal or Half);
        if (digits.Length > Longest)
        {
            throw state.Error($"the variables hold a number of {digits.Length} digits, more than {Longest}");
        }

        return isFloat
            ? Value.Of(double.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture))
            : Value.Of(BigInteger.Parse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }
}
