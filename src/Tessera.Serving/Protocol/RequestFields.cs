using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Tessera.Serving.Protocol;

/// <summary>The fields of an object in a request; a bad one ends the request with its path and what was expected.</summary>
/// <param name="element">An object.</param>
/// <param name="prefix">Path of the object, such as <c>messages[0].</c>.</param>
internal sealed class RequestFields(JsonElement element, string prefix = "")
{
    private const int MostShown = 60;
    private readonly HashSet<string> _known = [];

    /// <summary>Fields that are there and were never asked for.</summary>
    public IEnumerable<string> Unknown => element.EnumerateObject().Select(entry => entry.Name).Where(name => !_known.Contains(name));

    /// <summary>A field, or null where it is missing or null.</summary>
    public JsonElement? Get(string name)
    {
        _known.Add(name);
        return element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public string? Text(string name) => Get(name) is { } value ? ToText(name, value) : null;

    public int? Integer(string name, int low, int high) =>
        Get(name) is { } value ? (int)Integer(name, value, low, high) : null;

    public long? Long(string name) => Get(name) is { } value ? Integer(name, value, long.MinValue, long.MaxValue) : null;

    public float? Number(string name, double low, double high) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= low && number <= high
            ? (float)number
            : throw Fault(name, value, $"a number from {low} to {high}");

    public bool Flag(string name) => Get(name) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Fault(name, value, "true or false"));

    public JsonElement? Object(string name) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? value : throw Fault(name, value, "an object");

    /// <summary>A list; empty where it is missing.</summary>
    public IReadOnlyList<JsonElement> List(string name, int most) => Get(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= most ? [.. value.EnumerateArray()]
            : throw Fault(name, value, $"a list of at most {most} values");

    /// <summary>A text or a list of texts; none may be empty.</summary>
    public IReadOnlyList<string> Texts(string name, int most)
    {
        if (Get(name) is not { } value)
        {
            return [];
        }

        string[] texts = value.ValueKind == JsonValueKind.String
            ? [ToText(name, value)]
            : [.. List(name, most).Select((item, i) => ToText($"{name}[{i}]", item))];
        return !texts.Contains(string.Empty) ? texts : throw Fault(name, value, "texts of at least one character");
    }

    public string ToText(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            throw Fault(name, value, "a string");
        }

        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(
                StatusCodes.Status400BadRequest, $"{prefix}{name} is not valid Unicode", prefix + name);
        }
    }

    /// <summary>Ends the request if a field is there with a value that would have an effect that this server does not have.</summary>
    public void Refuse(string name, Func<JsonElement, bool> isNeutral, string what)
    {
        if (Get(name) is { } value && !isNeutral(value))
        {
            throw new ApiException(
                StatusCodes.Status400BadRequest, $"{prefix}{name}: this server has no {what}", prefix + name, "unsupported_parameter");
        }
    }

    public ApiException Fault(string name, string expected) => Fault(name, Get(name), expected);

    public ApiException Fault(string name, JsonElement? value, string expected) => new(
        StatusCodes.Status400BadRequest, $"{prefix}{name} is {(value is { } found ? Show(found) : "missing")}, expected {expected}",
        prefix + name);

    private static string Show(JsonElement value)
    {
        string text = value.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= MostShown ? text : $"{text.AsSpan(0, MostShown)}…";
    }

    private long Integer(string name, JsonElement value, long low, long high) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= low && number <= high
            ? number
            : throw Fault(name, value, low == long.MinValue ? "an integer" : $"an integer from {low} to {high}");
}
