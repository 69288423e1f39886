using System.Globalization;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>A target that takes a row of values, evenly spaced: <c>memory=100%..40%/7</c> or <c>throughput@chat=1x..3x/9</c>.</summary>
public sealed class SweepRange
{
    private const int MostSteps = 1000;

    private SweepRange(string text, IReadOnlyList<Target> steps) => (Text, Steps) = (text, steps);

    /// <summary>As written.</summary>
    public string Text { get; }

    /// <summary>The targets, in the order of the range.</summary>
    public IReadOnlyList<Target> Steps { get; }

    /// <summary>What is swept.</summary>
    public TargetQuantity Quantity => Steps[0].Quantity;

    /// <summary>The quantity with its unit, for an axis.</summary>
    public string AxisLabel => (TargetForm.UnitOf(Quantity), Steps[0].IsRelative) switch
    {
        (TargetUnit.Time, true) => $"speed of {TargetForm.NameOf(Quantity)} against the parent",
        (_, true) => $"{TargetForm.NameOf(Quantity)}, share of the parent",
        (TargetUnit.Bytes, _) => $"{TargetForm.NameOf(Quantity)}, GiB",
        (TargetUnit.Time, _) => $"{TargetForm.NameOf(Quantity)}, seconds",
        (TargetUnit.Rate, _) => $"{TargetForm.NameOf(Quantity)}, tokens/s",
        _ => TargetForm.NameOf(Quantity),
    };

    /// <summary>Parses a range.</summary>
    /// <param name="text">The range.</param>
    /// <param name="option">What it was given as, for messages.</param>
    /// <exception cref="ArgumentException">It is not one; the sentence says what is expected.</exception>
    public static SweepRange Parse(string text, string option = "--sweep")
    {
        string[] sides = text.Split('=', 2);
        string[] ends = sides[^1].Split("..");
        string[] last = ends[^1].Split('/');
        if (sides.Length != 2 || ends.Length != 2 || last.Length != 2
            || !int.TryParse(last[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count < 2 || count > MostSteps)
        {
            throw new ArgumentException(
                $"{option} {text}: expected QUANTITY=FROM..TO/COUNT with a count from 2 to {MostSteps}, for instance memory=100%..40%/7");
        }

        Target from = End(sides[0].Trim(), ends[0].Trim(), option), to = End(sides[0].Trim(), last[0].Trim(), option);
        if (from.IsRelative != to.IsRelative)
        {
            throw new ArgumentException($"{option} {text}: both ends must be ratios to the parent, or neither");
        }

        return new SweepRange(text, [.. Enumerable.Range(0, count).Select(
            step => Step(from, from.Value + ((to.Value - from.Value) * step / (count - 1))))]);
    }

    /// <summary>Where a step lies on the axis.</summary>
    public double Position(Target step) =>
        !step.IsRelative && TargetForm.UnitOf(Quantity) == TargetUnit.Bytes ? step.Value / (1L << 30) : step.Value;

    // What costs is limited above, speed below; the word alone does not say which, since a ratio of time is one of speed.
    private static Target End(string name, string value, string option)
    {
        bool isRelative = value.EndsWith('x') || value.EndsWith('%');
        var unit = TargetForm.All.FirstOrDefault(form => form.Name.Equals(name.Split('@')[0], StringComparison.OrdinalIgnoreCase))?.Unit;
        bool isSpeed = unit == TargetUnit.Rate || (unit == TargetUnit.Time && isRelative);
        return Target.Parse($"{name}{(isSpeed ? ">=" : "<=")}{value}", option);
    }

    private static Target Step(Target end, double value)
    {
        var unit = TargetForm.UnitOf(end.Quantity);
        // Layers are counted in whole numbers: what may not be exceeded is rounded down.
        double exact = unit == TargetUnit.Layers && !end.IsRelative ? Math.Floor(value + 1e-9) : value;
        return end with { Value = exact, Text = end.WithValue(exact) };
    }
}
