using System.Text.Json;

namespace Tessera.Inference.Chat;

/// <summary>How a model wants to be sampled: <c>generation_config.json</c>, or what OpenAI's API assumes.</summary>
/// <param name="Temperature">0 takes the likeliest token.</param>
/// <param name="TopP">Draw from the likeliest tokens of this mass.</param>
/// <param name="TopK">Draw from this many likeliest tokens; 0 for all.</param>
public sealed record GenerationDefaults(float Temperature = 1, float TopP = 1, int TopK = 0)
{
    private const string Name = "generation_config.json";
    private const long MostBytes = 1 << 20;

    /// <summary>Reads a model's folder; without the file, or without a field, the defaults of the API hold.</summary>
    /// <remarks><c>do_sample: false</c> means temperature 0, whatever temperature stands beside it.</remarks>
    /// <exception cref="InvalidDataException">The file is damaged or a field is out of its range; the message names both.</exception>
    public static GenerationDefaults Read(string folder)
    {
        string path = Path.Combine(folder, Name);
        if (!File.Exists(path))
        {
            return new GenerationDefaults();
        }

        if (new FileInfo(path).Length > MostBytes)
        {
            throw new InvalidDataException($"{path}: the file is larger than {MostBytes} bytes");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{path}: the file holds {root.ValueKind}, expected an object");
            }

            bool isGreedy = root.TryGetProperty("do_sample", out var samples) && samples.ValueKind == JsonValueKind.False;
            double temperature = Number(path, root, "temperature", 1, value => value is >= 0 and <= 100, "from 0 to 100");
            double topP = Number(path, root, "top_p", 1, value => value is > 0 and <= 1, "above 0 and at most 1");
            double topK = Number(
                path, root, "top_k", 0, value => value is >= 0 and <= int.MaxValue && value == Math.Floor(value), "0 or a number of tokens");
            return new GenerationDefaults(isGreedy ? 0 : (float)temperature, (float)topP, (int)topK);
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{path}: the file is not valid JSON");
        }
    }

    private static double Number(
        string path, JsonElement root, string name, double absent, Func<double, bool> isGood, string expected)
    {
        if (!root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && isGood(number)
            ? number
            : throw new InvalidDataException($"{path}: {name} is {value.GetRawText()}, expected a number {expected}");
    }
}
