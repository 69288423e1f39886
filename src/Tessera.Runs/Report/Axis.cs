using System.Globalization;

namespace Tessera.Runs.Report;

/// <summary>Maps values to pixels and chooses ticks at 1, 2 or 5 times a power of ten.</summary>
internal sealed class Axis
{
    private const int WantedTicks = 6;
    private readonly double _low;
    private readonly double _high;
    private readonly bool _logarithmic;
    private readonly double _firstPixel;
    private readonly double _lastPixel;

    /// <summary>An axis over the finite values given; a logarithmic one ignores those that are not positive.</summary>
    /// <param name="values">What must fit on the axis.</param>
    /// <param name="pixels">Pixels of the lowest and the highest value.</param>
    /// <param name="logarithmic">Equal ratios get equal lengths.</param>
    /// <param name="rounded">Extend to whole ticks at both ends.</param>
    internal Axis(IEnumerable<double> values, (double First, double Last) pixels, bool logarithmic = false, bool rounded = true)
    {
        _logarithmic = logarithmic;
        (_firstPixel, _lastPixel) = pixels;
        (_low, _high) = Range(values.Where(Accepts));
        double step = StepOf(_low, _high);

        // Within a factor of two there are too few round mantissas; linear ticks on the logarithmic axis serve better.
        bool byDecades = logarithmic && _high / _low >= 2;
        if (rounded)
        {
            (_low, _high) = byDecades
                ? RoundedToMantissas()
                : (Math.Floor((_low / step) + 1e-9) * step, Math.Ceiling((_high / step) - 1e-9) * step);
        }

        Ticks = byDecades ? LogarithmicTicks() : LinearTicks(step);
    }

    /// <summary>Values of the ticks with their labels, ascending.</summary>
    internal IReadOnlyList<(double Value, string Label)> Ticks { get; }

    /// <summary>Whether the value has a place on the axis.</summary>
    internal bool Accepts(double value) => double.IsFinite(value) && (!_logarithmic || value > 0);

    /// <summary>Pixel of a value that the axis accepts.</summary>
    internal double Map(double value)
    {
        double share = _logarithmic ? Math.Log(value / _low) / Math.Log(_high / _low) : (value - _low) / (_high - _low);
        return _firstPixel + (share * (_lastPixel - _firstPixel));
    }

    private (double Low, double High) Range(IEnumerable<double> values)
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (double value in values)
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }

        if (low > high)
        {
            return _logarithmic ? (1, 10) : (0, 1);
        }

        if (low < high)
        {
            return (low, high);
        }

        // One value alone stands in the middle.
        double half = low == 0 ? 1 : Math.Abs(low) / 2;
        return _logarithmic ? (low / 2, low * 2) : (low - half, low + half);
    }

    private static double StepOf(double low, double high)
    {
        double rough = (high - low) / WantedTicks;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double mantissa = rough / power;
        return power * (mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10);
    }

    private List<(double Value, string Label)> LinearTicks(double step)
    {
        var ticks = new List<(double, string)>();
        for (double index = Math.Ceiling((_low / step) - 1e-9); index <= Math.Floor((_high / step) + 1e-9); index++)
        {
            // Adding zero turns a negative zero into the other, which prints without a sign.
            double value = (index * step) + 0.0;
            ticks.Add((value, Label(value, step)));
        }

        return ticks;
    }

    private List<(double Value, string Label)> LogarithmicTicks()
    {
        double decades = Math.Log10(_high / _low);
        int[] mantissas = Mantissas(decades);
        int stride = Math.Max(1, (int)(decades / WantedTicks));
        var ticks = new List<(double, string)>();
        for (int power = (int)Math.Floor(Math.Log10(_low)); power <= Math.Log10(_high); power += stride)
        {
            foreach (int mantissa in mantissas)
            {
                double value = mantissa * Math.Pow(10, power);
                if (value >= _low * (1 - 1e-9) && value <= _high * (1 + 1e-9))
                {
                    ticks.Add((value, Label(value, value)));
                }
            }
        }

        return ticks;
    }

    private static int[] Mantissas(double decades) => decades < 1 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : decades < 3 ? [1, 2, 5] : [1];

    private (double Low, double High) RoundedToMantissas()
    {
        int[] mantissas = Mantissas(Math.Log10(_high / _low));
        double lowPower = Math.Pow(10, Math.Floor(Math.Log10(_low)));
        double highPower = Math.Pow(10, Math.Floor(Math.Log10(_high)));
        double low = mantissas.Last(mantissa => mantissa == 1 || mantissa * lowPower <= _low) * lowPower;
        double high = mantissas.Append(10).First(mantissa => mantissa == 10 || mantissa * highPower >= _high) * highPower;
        return (low, high);
    }

    private static string Label(double value, double step)
    {
        if (Math.Abs(value) >= 1e6)
        {
            return HumanUnits.FormatCount((long)value);
        }

        if (step < 1e-4)
        {
            return value == 0 ? "0" : value.ToString("0.##e0", CultureInfo.InvariantCulture);
        }

        int decimals = Math.Max(0, -(int)Math.Floor(Math.Log10(step) + 1e-9));
        return value.ToString("N" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }
}
