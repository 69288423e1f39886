using System.Text.Json;

namespace Tessera.Models.Configuration;

/// <summary>
/// The fields of one JSON object, read with checks: a wrong type or value becomes one sentence that names the file and
/// the field's path, such as <c>block_configs[3].ffn.ffn_mult</c>.
/// </summary>
internal readonly struct JsonFields
{
    private readonly JsonElement _element;
    private readonly string _file;
    private readonly string _prefix;

    private JsonFields(JsonElement element, string file, string prefix)
    {
        _element = element;
        _file = file;
        _prefix = prefix;
    }

    public static JsonFields Root(JsonDocument document, string file) =>
        document.RootElement.ValueKind == JsonValueKind.Object
            ? new JsonFields(document.RootElement, file, string.Empty)
            : throw new InvalidDataException($"{file}: the file is not a JSON object");

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => _element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether the field is there, null or not.</summary>
    public bool HasKey(string name) => _element.TryGetProperty(name, out _);

    public List<string> Names()
    {
        var names = new List<string>();
        try
        {
            foreach (JsonProperty property in _element.EnumerateObject())
            {
                names.Add(property.Name);
            }
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException($"{_file}: the file contains a string that is not valid Unicode");
        }

        return names;
    }

    public int Integer(string name, int absent, int low, int high) =>
        HasKey(name) ? RequiredInteger(name, low, high) : absent;

    public int RequiredInteger(string name, int low, int high) => ToInteger(name, Get(name), low, high);

    /// <summary>An integer of 64 bits from 0 to <paramref name="high"/>.</summary>
    public long RequiredCount(string name, long high = long.MaxValue)
    {
        JsonElement value = Get(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= 0 && number <= high
            ? number
            : throw Fault(name, value, $"an integer from 0 to {high}");
    }

    /// <summary>An integer, or a list of integers; null is an empty list.</summary>
    public List<int> Integers(string name, int low, int high, int most)
    {
        JsonElement value = Get(name);
        if (value.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            return [ToInteger(name, value, low, high)];
        }

        if (value.GetArrayLength() > most)
        {
            throw Fault(name, $"at most {most} values");
        }

        var values = new List<int>();
        foreach (JsonElement item in value.EnumerateArray())
        {
            values.Add(ToInteger($"{name}[{values.Count}]", item, low, high));
        }

        return values;
    }

    public double Positive(string name, double absent) => HasKey(name) ? RequiredPositive(name) : absent;

    public double RequiredPositive(string name)
    {
        JsonElement value = Get(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) && number > 0
            ? number
            : throw Fault(name, "a positive finite number");
    }

    /// <summary>A number of a magnitude up to <paramref name="most"/>.</summary>
    public double RequiredNumber(string name, double most) => ToNumber(name, -most, most);

    /// <summary>A number from 0 to <paramref name="most"/>.</summary>
    public double RequiredAmount(string name, double most) => ToNumber(name, 0, most);

    /// <summary>The same where it may be missing.</summary>
    public double Amount(string name, double absent, double most) => HasKey(name) ? RequiredAmount(name, most) : absent;

    /// <summary>A boolean; false where it is missing or null.</summary>
    public bool Flag(string name)
    {
        if (!Has(name))
        {
            return false;
        }

        JsonElement value = Get(name);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Fault(name, "true or false");
    }

    /// <summary>A string, or null where it is missing or null.</summary>
    public string? Text(string name) => Has(name) ? ToText(name, Get(name)) : null;

    /// <summary>A list of strings.</summary>
    public List<string> Texts(string name)
    {
        JsonElement value = Get(name);
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Fault(name, "a list of strings");
        }

        var values = new List<string>();
        foreach (JsonElement item in value.EnumerateArray())
        {
            values.Add(ToText($"{name}[{values.Count}]", item));
        }

        return values;
    }

    /// <summary>An object, or null where it is missing or null.</summary>
    public JsonFields? Object(string name)
    {
        if (!Has(name))
        {
            return null;
        }

        JsonElement value = Get(name);
        return value.ValueKind == JsonValueKind.Object
            ? new JsonFields(value, _file, $"{_prefix}{name}.")
            : throw Fault(name, "an object");
    }

    /// <summary>An object of objects: every name with what it names.</summary>
    public List<(string Name, JsonFields Fields)> Map(string name)
    {
        JsonFields map = Object(name) ?? throw Fault(name, "an object");
        JsonFields inner = map;
        return [.. map.Names().Select(key => (key, inner.Object(key) ?? throw inner.Fault(key, "an object")))];
    }

    /// <summary>Refuses fields of other names.</summary>
    public void RefuseOthers(params ReadOnlySpan<string> known)
    {
        foreach (string name in Names())
        {
            if (!known.Contains(name))
            {
                throw new InvalidDataException($"{_file}: {_prefix}{name} is unknown, expected one of {string.Join(", ", known.ToArray())}");
            }
        }
    }

    /// <summary>A list of objects, each with its number in its path.</summary>
    public List<JsonFields> Objects(string name, int most)
    {
        JsonElement value = Get(name);
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > most)
        {
            throw Fault(name, $"a list of at most {most} objects");
        }

        var items = new List<JsonFields>();
        foreach (JsonElement item in value.EnumerateArray())
        {
            string field = $"{name}[{items.Count}]";
            items.Add(item.ValueKind == JsonValueKind.Object
                ? new JsonFields(item, _file, $"{_prefix}{field}.")
                : throw Fault(field, item, "an object"));
        }

        return items;
    }

    /// <summary>Refuses a field that is there with anything but null or false.</summary>
    public void Refuse(string name, string expected)
    {
        if (Has(name) && Get(name).ValueKind != JsonValueKind.False)
        {
            throw Fault(name, expected);
        }
    }

    /// <summary>Whether the field is there and an object.</summary>
    public bool IsObject(string name) => HasKey(name) && Get(name).ValueKind == JsonValueKind.Object;

    /// <summary>Refuses a field that is an object.</summary>
    public void RefuseObject(string name, string expected)
    {
        if (Get(name).ValueKind == JsonValueKind.Object)
        {
            throw Fault(name, expected);
        }
    }

    public InvalidDataException Fault(string name, string expected) =>
        Fault(name, _element.TryGetProperty(name, out JsonElement value) ? value : null, expected);

    private static string Show(JsonElement value)
    {
        const int Longest = 60;
        string text = string.Join(' ', value.GetRawText().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return text.Length <= Longest ? text : string.Concat(text.AsSpan(0, Longest), "…");
    }

    private InvalidDataException Fault(string name, JsonElement? value, string expected) =>
        new($"{_file}: {_prefix}{name} is {(value is { } found ? Show(found) : "missing")}, expected {expected}");

    private JsonElement Get(string name) =>
        _element.TryGetProperty(name, out JsonElement value) ? value : throw Fault(name, null, "a value");

    private double ToNumber(string name, double low, double high)
    {
        JsonElement value = Get(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= low && number <= high
            ? number
            : throw Fault(name, value, FormattableString.Invariant($"a number from {low:G} to {high:G}"));
    }

    private int ToInteger(string name, JsonElement value, int low, int high) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= low && number <= high
            ? number
            : throw Fault(name, value, $"an integer from {low} to {high}");

    private string ToText(string name, JsonElement value)
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
            throw Fault(name, value, "valid Unicode");
        }
    }
}
