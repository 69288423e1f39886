using System.Globalization;

namespace Tessera.Puzzle.Search;

/// <summary>Prints amounts of a resource for people.</summary>
public static class ResourceFormat
{
    /// <summary>
    /// An amount with its unit: bytes as KiB, MiB or GiB, parameters as M or B, seconds as µs, ms or s with the
    /// throughput that they mean where the resource is a scenario's run time.
    /// </summary>
    public static string Human(Resource resource, double amount) => resource.Unit switch
    {
        ResourceUnit.Bytes => Scaled(amount, 1024, [" bytes", " KiB", " MiB", " GiB", " TiB"]),
        ResourceUnit.Parameters => Scaled(amount, 1000, [" parameters", "K parameters", "M parameters", "B parameters"]),
        ResourceUnit.Seconds => Seconds(amount) + Throughput(resource, amount),
        _ => Significant(amount),
    };

    private static string Throughput(Resource resource, double seconds) => resource.ScenarioTokens > 0 && seconds > 0
        ? $" ({Significant(resource.ScenarioTokens / seconds)} tokens/s)"
        : "";

    private static string Seconds(double seconds)
    {
        double size = Math.Abs(seconds);
        return size switch
        {
            0 or >= 1 => $"{Significant(seconds)} s",
            >= 1e-3 => $"{Significant(seconds * 1e3)} ms",
            _ => $"{Significant(seconds * 1e6)} µs",
        };
    }

    private static string Scaled(double amount, double step, string[] names)
    {
        int name = 0;
        while (Math.Abs(amount) >= step && name + 1 < names.Length)
        {
            amount /= step;
            name++;
        }

        return Significant(amount) + names[name];
    }

    // Six digits tell neighbouring limits apart without printing rounding noise.
    private static string Significant(double value)
    {
        if (value == 0 || !double.IsFinite(value))
        {
            return value.ToString(CultureInfo.InvariantCulture);
        }

        int digits = Math.Clamp(5 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0, 15);
        return Math.Round(value, digits).ToString("#,0.###############", CultureInfo.InvariantCulture);
    }
}
