using System.Globalization;
using Tessera.Runs;

namespace Tessera.Puzzle.Targets;

/// <summary>
/// A limit as a person writes it: <c>memory&lt;=40GiB</c>, <c>parameters&lt;=60%</c>, <c>ttft&lt;=50ms</c>,
/// <c>decode&gt;=1.5x</c> (speed against the parent), <c>throughput@chat&gt;=900</c> (tokens a second in one scenario),
/// <c>attention-layers&lt;=20</c>, <c>count(ffn:none)&lt;=4</c>.
/// </summary>
/// <remarks>
/// <code>
/// target   = (quantity | "count(" selector ")") ["@" scenario] ("&lt;=" | "&gt;=") value
/// value    = a size, count, duration or rate, by the quantity | number "x" | number "%"    the latter two against the parent
/// </code>
/// What costs is limited with &lt;=, speed with &gt;=; a ratio of time is spoken of as speed. Counts of layers take both.
/// </remarks>
/// <param name="Text">As written.</param>
/// <param name="Quantity">What is limited.</param>
/// <param name="Value">Absolute value in the quantity's unit, or a ratio to the parent.</param>
/// <param name="IsRelative">Whether <paramref name="Value"/> is a ratio.</param>
public sealed record Target(string Text, TargetQuantity Quantity, double Value, bool IsRelative)
{
    /// <summary>The option by which targets are given on the command line.</summary>
    public const string Option = "--target";

    /// <summary>Whether the quantity, as it is spoken of, must not be above the value; else not below.</summary>
    public required bool IsMaximum { get; init; }

    /// <summary>The only scenario it holds in; null for all.</summary>
    public string? Scenario { get; init; }

    /// <summary>The variants that are counted, where the quantity is <see cref="TargetQuantity.Variants"/>.</summary>
    public VariantSelector? Selector { get; init; }

    /// <summary>Whether the quantity is one of time, and the value a ratio of speeds.</summary>
    public bool IsRatioOfTime => IsRelative && Unit == TargetUnit.Time;

    /// <summary>Whether the limit is on time, in any form, which measured models scatter around.</summary>
    public bool IsTimed => Unit is TargetUnit.Time or TargetUnit.Rate;

    private TargetUnit Unit => TargetForm.UnitOf(Quantity);

    /// <summary>Parses a target.</summary>
    /// <param name="text">As written.</param>
    /// <param name="field">Named in messages, such as an option or a place in a file.</param>
    /// <exception cref="ArgumentException">It is not one; the sentence says what is expected.</exception>
    /// <exception cref="InvalidDataException">Its value is not one of the quantity.</exception>
    public static Target Parse(string text, string field = Option)
    {
        int at = text.IndexOf("<=", StringComparison.Ordinal);
        bool isMaximum = at >= 0;
        at = isMaximum ? at : text.IndexOf(">=", StringComparison.Ordinal);
        string value = at < 0 ? string.Empty : text[(at + 2)..].Trim();
        string left = at < 0 ? text.Trim() : text[..at].Trim();
        var (name, scenario) = SplitScenario(left);
        VariantSelector? selector = SelectorOf(name, field);
        var form = TargetForm.All.FirstOrDefault(form => form.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        if (value.Length == 0 || scenario is { Length: 0 } || (selector is null && form is null))
        {
            throw new ArgumentException($"{field} {text}: expected {Accepted}");
        }

        bool isRelative = value.EndsWith('x') || value.EndsWith('%');
        var unit = form?.Unit ?? TargetUnit.Layers;
        // A ratio of time is spoken of as speed: decode>=1.5x means two thirds of the parent's time.
        bool isSpeed = unit == TargetUnit.Rate || (isRelative && unit == TargetUnit.Time);
        if (unit != TargetUnit.Layers && isSpeed == isMaximum)
        {
            throw new ArgumentException($"{field} {text}: {form!.Name} is limited with {(isSpeed ? ">=" : "<=")} here");
        }

        if (scenario is not null && unit is TargetUnit.Layers or TargetUnit.Weights)
        {
            throw new ArgumentException($"{field} {text}: {name} does not depend on a scenario, leave out @{scenario}");
        }

        double parsed = isRelative ? HumanUnits.ParseRatio(value, field) : ParseAbsolute(unit, value, field, name);
        return (parsed > 0 || (parsed == 0 && unit == TargetUnit.Layers)) && double.IsFinite(parsed)
            ? new Target(text, form?.Quantity ?? TargetQuantity.Variants, parsed, isRelative)
            {
                IsMaximum = isMaximum,
                Scenario = scenario,
                Selector = selector,
            }
            : throw new ArgumentException($"{field} {text}: expected a value above 0");
    }

    /// <summary>The target as it is written with another value, rounded to the side on which that value still meets it.</summary>
    public string WithValue(double value)
    {
        const double LargestShown = 1e15;
        string left = Text[..Text.IndexOf(IsMaximum ? "<=" : ">=", StringComparison.Ordinal)].Trim();
        string Rounded(double number, string unit)
        {
            if (!(number < LargestShown))
            {
                return number.ToString("G4", CultureInfo.InvariantCulture) + unit;
            }

            double grain = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(number, 1e-12))) - 3);
            double steps = number / grain;
            // What is a whole number of grains but for rounding stays.
            double whole = Math.Abs(steps - Math.Round(steps)) < 1e-6 ? Math.Round(steps) : IsMaximum ? Math.Ceiling(steps) : Math.Floor(steps);
            return ((decimal)whole * (decimal)grain).ToString("0.############", CultureInfo.InvariantCulture) + unit;
        }

        string right = (IsRelative, Unit) switch
        {
            (true, _) when Text.TrimEnd().EndsWith('%') => Rounded(100 * value, "%"),
            (true, _) => Rounded(value, "x"),
            (_, TargetUnit.Bytes) => value >= 1 << 30 ? Rounded(value / (1 << 30), "GiB") : Rounded(value / (1 << 20), "MiB"),
            (_, TargetUnit.Time) => value >= 1 ? Rounded(value, "s") : value >= 1e-3 ? Rounded(1e3 * value, "ms") : Rounded(1e6 * value, "us"),
            (_, TargetUnit.Rate) => Rounded(value, string.Empty),
            _ => (IsMaximum ? Math.Ceiling(value - 1e-6) : Math.Floor(value + 1e-6)).ToString("0", CultureInfo.InvariantCulture),
        };
        return $"{left}{(IsMaximum ? "<=" : ">=")}{right}";
    }

    /// <summary>Whether the target holds in a scenario.</summary>
    public bool HoldsIn(string scenario) => Scenario is null || Scenario == scenario;

    private static string Accepted { get; } =
        string.Join(", ", TargetForm.All.Select(form => form.Name)) + " or count(SELECTOR), then @SCENARIO where it holds for one alone, "
        + "then <= or >=, then a value, for instance \"throughput>=1.5x\", \"memory<=40GiB\" or \"count(attention:none)<=12\"";

    private static (string Name, string? Scenario) SplitScenario(string left)
    {
        // A selector has an @ of its own, inside its brackets.
        int at = left.IndexOf('@', Math.Max(0, left.LastIndexOf(')')));
        return at < 0 ? (left, null) : (left[..at].Trim(), left[(at + 1)..].Trim());
    }

    private static VariantSelector? SelectorOf(string name, string field) =>
        name.StartsWith("count(", StringComparison.OrdinalIgnoreCase) && name.EndsWith(')')
            ? VariantSelector.Parse(name["count(".Length..^1].Trim(), $"{field} count:")
            : null;

    private static double ParseAbsolute(TargetUnit unit, string value, string field, string name) => unit switch
    {
        TargetUnit.Bytes => HumanUnits.ParseBytes(value, field),
        TargetUnit.Weights => HumanUnits.ParseCount(value, field),
        TargetUnit.Time => HumanUnits.ParseDuration(value, field).TotalSeconds,
        TargetUnit.Rate => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw new ArgumentException($"{field} {name}: '{value}' is neither tokens a second nor a ratio such as 1.5x"),
        _ => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : throw new ArgumentException($"{field} {name}: '{value}' is neither a whole number of layers nor a share such as 50%"),
    };
}
