using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Gguf;

/// <summary>The llama3 stretching of rotary wavelengths as the table that GGUF files hold: the divisor of each frequency.</summary>
/// <remarks>
/// With wavelength w = 2π·θ^(2j/d), s = factor, lo and hi the two frequency factors, C the original context: 1 where w &lt; C/hi, s where
/// w &gt; C/lo, else 1 / ((1−t)/s + t) with t = (C/w − lo) / (hi − lo). The table does not hold C, lo and hi themselves, and
/// multiplying all three changes nothing: they are recovered up to that, as the usual lo = 1, hi = 4 where these fit.
/// </remarks>
internal static class RopeDivisors
{
    // f32 rounding of the table and of the frequencies it came from; a wrong band is off by parts in ten at least.
    private const double Tolerance = 2e-5;
    private const double UsualLow = 1, UsualHigh = 4;
    private const string ScalingKey = "tessera.rope_scaling";
    private const string ContextKey = "rope.scaling.original_context_length";

    /// <summary>The table of a scaling.</summary>
    public static float[] Of(int headDim, double theta, Llama3RopeScaling scaling)
    {
        double[] plain = RopeTable.InverseFrequencies(headDim, theta, null);
        double[] scaled = RopeTable.InverseFrequencies(headDim, theta, scaling);
        return [.. plain.Zip(scaled, (before, after) => (float)(before / after))];
    }

    /// <summary>The scaling that gives a table; null where the table divides by nothing.</summary>
    /// <param name="divisors">[headDim / 2].</param>
    /// <param name="headDim">Elements of a head.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="likely">Scalings to try first.</param>
    /// <param name="file">Named in the message.</param>
    /// <exception cref="InvalidDataException">No llama3 scaling gives it.</exception>
    public static Llama3RopeScaling? Recognise(
        ReadOnlySpan<float> divisors, int headDim, double theta, IEnumerable<Llama3RopeScaling> likely, string file)
    {
        double factor = divisors[^1];
        if (divisors.IndexOfAnyExcept(1f) < 0)
        {
            return null;
        }

        if (double.IsFinite(factor) && factor > 1)
        {
            // A rounded table has a rounded factor; published ones are whole.
            double whole = Math.Round(factor);
            factor = Math.Abs(whole - factor) < factor * Tolerance ? whole : factor;
            foreach (Llama3RopeScaling candidate in likely.Concat(Candidates(divisors, headDim, theta, factor)))
            {
                if (Matches(divisors, Of(headDim, theta, candidate)))
                {
                    return candidate;
                }
            }
        }

        throw new InvalidDataException(
            $"{file}: tensor '{GgufNames.RopeDivisors}' holds divisors of the rotary frequencies that no llama3 scaling gives, the only kind that is supported");
    }

    /// <summary>Adds what the table does not hold: keys that this program reads to find the same numbers again.</summary>
    public static void AddTo(GgufMetadata metadata, string architecture, Llama3RopeScaling scaling)
    {
        metadata.Add($"{architecture}.{ContextKey}", scaling.OriginalMaxPositions);
        metadata.Add(ScalingKey, [(float)scaling.Factor, (float)scaling.LowFrequencyFactor, (float)scaling.HighFrequencyFactor]);
    }

    /// <summary>The scalings that the metadata names; the table decides whether one of them holds.</summary>
    public static IEnumerable<Llama3RopeScaling> Named(GgufFile file, string architecture, double factor)
    {
        if (!file.Metadata.TryGetValue($"{architecture}.{ContextKey}", out GgufValue? value))
        {
            yield break;
        }

        int context = value.Integer(1, ConfigurationLimits.Positions);
        if (file.Metadata.TryGetValue(ScalingKey, out GgufValue? given) && given.Floats(3) is [> 1 and var exact, > 0 and var low, var high] && high > low)
        {
            yield return new Llama3RopeScaling(GgufValue.Shortest(exact), GgufValue.Shortest(low), GgufValue.Shortest(high), context);
        }

        if (factor > 1)
        {
            yield return new Llama3RopeScaling(Math.Round(factor), UsualLow, UsualHigh, context);
        }
    }

    private static List<Llama3RopeScaling> Candidates(ReadOnlySpan<float> divisors, int headDim, double theta, double factor)
    {
        // The context of every published model first, in front of others that may give the same table.
        var candidates = new List<Llama3RopeScaling> { new(factor, UsualLow, UsualHigh, 8192) };
        for (int context = 1 << 20; context >= 1; context >>= 1)
        {
            candidates.Add(new Llama3RopeScaling(factor, UsualLow, UsualHigh, context));
        }

        if (FromBands(divisors, headDim, theta, factor) is { } fitted)
        {
            candidates.Add(fitted);
        }

        return candidates;
    }

    // t is a straight line in 1/w: t = C/(hi − lo) · 1/w − lo/(hi − lo). Two blended divisors give it; with fewer, the borders
    // may lie anywhere between the neighbours of different bands.
    private static Llama3RopeScaling? FromBands(ReadOnlySpan<float> divisors, int headDim, double theta, double factor)
    {
        const int Context = 8192;
        double[] inverse = [.. RopeTable.InverseFrequencies(headDim, theta, null).Select(f => f / (2 * Math.PI))];
        var blended = new List<(double Inverse, double Blend)>();
        int kept = 0;
        for (int j = 0; j < divisors.Length; j++)
        {
            double blend = ((1 / (double)divisors[j]) - (1 / factor)) / (1 - (1 / factor));
            if (Math.Abs(divisors[j] - 1) < Tolerance)
            {
                kept = j + 1;
            }
            else if (Math.Abs(divisors[j] - factor) > factor * Tolerance)
            {
                blended.Add((inverse[j], blend));
            }
        }

        double slope, offset;
        if (blended.Count >= 2)
        {
            var (first, last) = (blended[0], blended[^1]);
            slope = (first.Blend - last.Blend) / (first.Inverse - last.Inverse);
            offset = (slope * first.Inverse) - first.Blend;
        }
        else
        {
            // Ends of the line in the gaps left and right of what is blended.
            double above = kept > 0 ? inverse[kept - 1] : inverse[0] * 4;
            double below = kept + blended.Count < inverse.Length ? inverse[kept + blended.Count] : inverse[^1] / 4;
            if (blended.Count == 1)
            {
                var (at, blend) = blended[0];
                double low = Math.Max(below, at - (blend * ((above - at) / (1 - blend))));
                slope = blend / (at - ((low + at) / 2));
                offset = (slope * at) - blend;
            }
            else
            {
                double high = below + ((above - below) * 2 / 3), low = below + ((above - below) / 3);
                slope = 1 / (high - low);
                offset = slope * low;
            }
        }

        double width = Context / slope, lowFactor = offset * width;
        return slope > 0 && lowFactor > 0 && double.IsFinite(lowFactor + width)
            ? new Llama3RopeScaling(factor, lowFactor, lowFactor + width, Context)
            : null;
    }

    private static bool Matches(ReadOnlySpan<float> divisors, float[] expected)
    {
        for (int j = 0; j < divisors.Length; j++)
        {
            if (!(Math.Abs(divisors[j] - expected[j]) <= Tolerance * expected[j]))
            {
                return false;
            }
        }

        return true;
    }
}
