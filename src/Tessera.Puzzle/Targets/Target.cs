using System.Globalization;
using Tessera.Runs;

namespace Tessera.Puzzle.Targets;

/// <summary>What a target limits.</summary>
public enum TargetQuantity
{
    /// <summary>Weights and the scenario's keys and values, in bytes.</summary>
    Memory,

    /// <summary>Weights.</summary>
    Parameters,

    /// <summary>Time to the first logits of the scenario's prompts, in seconds.</summary>
    Prefill,

    /// <summary>Time of one generation step, in seconds.</summary>
    Decode,

    /// <summary>Generated tokens a second over the whole scenario.</summary>
    Throughput,
}

/// <summary>
/// A limit as a person writes it: <c>memory&lt;=40GiB</c>, <c>parameters&lt;=60%</c>, <c>prefill&lt;=50ms</c>,
/// <c>decode&gt;=1.5x</c> (speed against the parent), <c>throughput&gt;=900</c> (tokens a second).
/// </summary>
/// <param name="Text">As written.</param>
/// <param name="Quantity">What is limited.</param>
/// <param name="Value">Absolute value in the quantity's unit, or a ratio to the parent.</param>
/// <param name="IsRelative">Whether <paramref name="Value"/> is a ratio.</param>
public sealed record Target(string Text, TargetQuantity Quantity, double Value, bool IsRelative)
{
    /// <summary>Parses a target.</summary>
    /// <exception cref="ArgumentException">It is not one; the sentence says what is expected.</exception>
    public static Target Parse(string text)
    {
        int at = text.IndexOf("<=", StringComparison.Ordinal);
        bool isMaximum = at >= 0;
        at = isMaximum ? at : text.IndexOf(">=", StringComparison.Ordinal);
        string name = at < 0 ? text : text[..at].Trim().ToUpperInvariant();
        string value = at < 0 ? string.Empty : text[(at + 2)..].Trim();
        if (value.Length == 0 || !Enum.TryParse(name, ignoreCase: true, out TargetQuantity quantity) || !char.IsAsciiLetter(name[0]) || name.Contains(',', StringComparison.Ordinal))
        {
            throw new ArgumentException(
                $"--target {text}: expected memory, parameters, prefill, decode or throughput, then <= or >=, then a value, "
                + "for instance \"throughput>=1.5x\" or \"memory<=40GiB\"");
        }

        bool isRelative = value.EndsWith('x') || value.EndsWith('%');
        // A ratio of time is spoken of as speed: decode>=1.5x means two thirds of the parent's time.
        bool isSpeed = quantity is TargetQuantity.Throughput || (isRelative && quantity is TargetQuantity.Prefill or TargetQuantity.Decode);
        if (isSpeed == isMaximum)
        {
            throw new ArgumentException($"--target {text}: {name.ToLowerInvariant()} is limited with {(isSpeed ? ">=" : "<=")} here");
        }

        double parsed = isRelative ? HumanUnits.ParseRatio(value, "--target") : ParseAbsolute(quantity, value);
        return parsed > 0 && double.IsFinite(parsed)
            ? new Target(text, quantity, parsed, isRelative)
            : throw new ArgumentException($"--target {text}: expected a value above 0");
    }

    private static double ParseAbsolute(TargetQuantity quantity, string value) => quantity switch
    {
        TargetQuantity.Memory => HumanUnits.ParseBytes(value, "--target"),
        TargetQuantity.Parameters => HumanUnits.ParseCount(value, "--target"),
        TargetQuantity.Prefill or TargetQuantity.Decode => HumanUnits.ParseDuration(value, "--target").TotalSeconds,
        _ => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw new ArgumentException($"--target throughput: '{value}' is neither tokens a second nor a ratio such as 1.5x"),
    };
}
