using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Damage to a JSON document that leaves it JSON: values of other types and sizes, lost, doubled, moved, renamed and nested ones.</summary>
internal static class JsonMutator
{
    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-1", "1", "0.5", "-0.0", "1e308", "1e-320", "2147483647", "2147483648", "-2147483649", "9223372036854775807",
        "18446744073709551616", "123456789012345678901234567890", "\"\"", "\"a\"", "\"\\u0000\"", "\"\\ud83d\\ude80\"", "\"../../etc/passwd\"", "\" \"",
        "[]", "{}", "[[]]", "[null]", "{\"\":\"\"}", "{\"type\":\"Sequence\"}", "\"F64\"", "\"llama\"", "\"{{ 1 }}\"",
    ];

    /// <summary>A document of JSON with one to three edits; where the original is none, its bytes are damaged instead.</summary>
    public static byte[] Apply(byte[] original, byte[] other, ref CounterRandom random)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(original);
        }
        catch (JsonException)
        {
            return ByteMutator.Apply(original, other, ref random);
        }

        for (int edits = 1 + random.Next(3); edits > 0 && root is not null; edits--)
        {
            root = Edit(root, ref random);
        }

        return Encoding.UTF8.GetBytes(root?.ToJsonString() ?? "null");
    }

    private static JsonNode? Edit(JsonNode root, ref CounterRandom random)
    {
        // A walk down from the root, so that few large lists do not take all edits.
        JsonNode node = root;
        for (int depth = random.Next(8); depth > 0; depth--)
        {
            if (Child(node, ref random) is not { } child)
            {
                break;
            }

            node = child;
        }

        return random.Next(8) switch
        {
            0 => Replace(root, node, null),
            1 => Remove(root, node),
            2 => Double(root, node, ref random),
            3 => Replace(root, node, Nested(node, random.Next(20) == 0 ? 200 : 1 + random.Next(3))),
            4 => Rename(root, node, ref random),
            5 when node is JsonValue => Replace(root, node, Stretched(node, ref random)),
            _ => Replace(root, node, JsonNode.Parse(Values[random.Next(Values.Length)])),
        };
    }

    private static JsonNode? Child(JsonNode node, ref CounterRandom random) => node switch
    {
        JsonObject { Count: > 0 } item => item.GetAt(random.Next(item.Count)).Value,
        JsonArray { Count: > 0 } list => list[random.Next(list.Count)],
        _ => null,
    };

    private static JsonNode? Replace(JsonNode root, JsonNode node, JsonNode? value)
    {
        switch (node.Parent)
        {
            case JsonObject parent:
                parent[node.GetPropertyName()] = value;
                return root;
            case JsonArray parent:
                parent[node.GetElementIndex()] = value;
                return root;
            default:
                return value;
        }
    }

    private static JsonNode? Remove(JsonNode root, JsonNode node)
    {
        switch (node.Parent)
        {
            case JsonObject parent:
                parent.Remove(node.GetPropertyName());
                return root;
            case JsonArray parent:
                parent.RemoveAt(node.GetElementIndex());
                return root;
            default:
                return null;
        }
    }

    private static JsonNode? Double(JsonNode root, JsonNode node, ref CounterRandom random)
    {
        switch (node.Parent)
        {
            case JsonObject parent:
                parent[$"{node.GetPropertyName()}{random.Next(3)}"] = node.DeepClone();
                return root;
            case JsonArray parent when parent.Count < 10_000:
                for (int copies = 1 + random.Next(random.Next(10) == 0 ? 500 : 3); copies > 0; copies--)
                {
                    parent.Insert(random.Next(parent.Count), node.DeepClone());
                }

                return root;
            default:
                return root;
        }
    }

    private static JsonNode Nested(JsonNode node, int levels)
    {
        JsonNode result = node.DeepClone();
        for (int i = 0; i < levels; i++)
        {
            result = i % 2 == 0 ? new JsonArray(result) : new JsonObject { ["a"] = result };
        }

        return result;
    }

    private static JsonNode? Rename(JsonNode root, JsonNode node, ref CounterRandom random)
    {
        if (node.Parent is JsonObject parent)
        {
            string name = node.GetPropertyName(), other = parent.GetAt(random.Next(parent.Count)).Key;
            JsonNode? here = parent[name]?.DeepClone(), there = parent[other]?.DeepClone();
            (parent[name], parent[other]) = (there, here);
        }

        return root;
    }

    private static JsonNode? Stretched(JsonNode node, ref CounterRandom random)
    {
        string text = node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString();
        return random.Next(3) switch
        {
            0 => JsonValue.Create(string.Concat(Enumerable.Repeat(text, text.Length < 500 && random.Next(10) == 0 ? 2000 : 3))),
            1 => JsonValue.Create(text.Length == 0 ? "x" : text[..random.Next(text.Length)]),
            _ => long.TryParse(text, out long number) ? JsonValue.Create(unchecked(number * (random.Next(2) == 0 ? -1 : 1000))) : JsonValue.Create(text + "\uFFFF"),
        };
    }
}
