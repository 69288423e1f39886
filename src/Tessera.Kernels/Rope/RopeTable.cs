using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Cosines and sines of position · frequency for every position and frequency of a head.</summary>
/// <remarks>
/// Frequencies f_j = theta^(−2j/E), j = 0..E/2−1, in f32, with the optional llama3 scaling; the angle is the f32 product of
/// position and frequency, its cosine and sine are taken in double and rounded: the numbers that checkpoints were trained with.
/// Shapes: cosines and sines f32 [Positions, E/2]. Not safe for concurrent growth.
/// </remarks>
public sealed unsafe class RopeTable : IDisposable
{
    private readonly float[] _frequencies;
    private readonly Arena _arena;

    /// <summary>Builds the table for positions [0, maxPositions).</summary>
    /// <exception cref="ArgumentException">Head dimension, theta, scaling or the number of positions is unusable.</exception>
    public RopeTable(int headDim, double theta, RopeScaling? scaling, int maxPositions)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxPositions);
        _frequencies = [.. InverseFrequencies(headDim, theta, scaling).Select(f => (float)f)];
        _arena = new Arena("rope table");
        HeadDim = headDim;
        EnsurePositions(Math.Max(1, maxPositions));
    }

    /// <summary>Elements E of one head.</summary>
    public int HeadDim { get; }

    /// <summary>Positions the table covers.</summary>
    public int Positions { get; private set; }

    /// <summary>Cosines [Positions, E/2]; the address changes when the table grows.</summary>
    public float* Cosines { get; private set; }

    /// <summary>Sines [Positions, E/2]; the address changes when the table grows.</summary>
    public float* Sines { get; private set; }

    /// <summary>
    /// The frequencies f_j of a head, each an f32 value. With scaling and w_j = 2π / f_j: unchanged for w_j &lt; C/hi; divided
    /// by s for w_j &gt; C/lo; otherwise (1 − t)·f_j/s + t·f_j with t = (C/w_j − lo) / (hi − lo).
    /// </summary>
    /// <exception cref="ArgumentException">Head dimension, theta or scaling is unusable.</exception>
    public static double[] InverseFrequencies(int headDim, double theta, RopeScaling? scaling)
    {
        if (headDim < 2 || headDim % 2 != 0)
        {
            throw new ArgumentException($"rope: head dimension {headDim} is not an even number of at least 2", nameof(headDim));
        }

        if (!(theta > 0) || !double.IsFinite(theta))
        {
            throw new ArgumentException($"rope: theta {theta} is not a positive number", nameof(theta));
        }

        scaling?.Validate();
        var frequencies = new double[headDim / 2];
        for (int j = 0; j < frequencies.Length; j++)
        {
            // Each step rounds to f32, as in the code that published checkpoints were trained with.
            float power = (float)Math.Pow(theta, 2f * j / headDim);
            frequencies[j] = Scale(1f / power, scaling);
        }

        return frequencies;
    }

    /// <summary>Grows the table to at least <paramref name="positions"/>, doubling so that growth stays rare.</summary>
    /// <remarks>Earlier addresses keep their contents until <see cref="Dispose"/>; all of them together are below the current size.</remarks>
    public void EnsurePositions(int positions)
    {
        if (positions <= Positions)
        {
            return;
        }

        int target = (int)Math.Min(int.MaxValue, Math.Max(positions, 2L * Positions));
        int half = HeadDim / 2;
        float* cosines = _arena.Floats((long)target * half);
        float* sines = _arena.Floats((long)target * half);
        for (int p = 0; p < target; p++)
        {
            for (int j = 0; j < half; j++)
            {
                float angle = p * _frequencies[j];
                var (sine, cosine) = Math.SinCos(angle);
                cosines[((long)p * half) + j] = (float)cosine;
                sines[((long)p * half) + j] = (float)sine;
            }
        }

        Cosines = cosines;
        Sines = sines;
        Positions = target;
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private static float Scale(float frequency, RopeScaling? scaling)
    {
        if (scaling is not { } s)
        {
            return frequency;
        }

        float wavelength = (float)(2 * Math.PI) / frequency;
        if (wavelength < s.OriginalMaxPositions / s.HighFrequencyFactor)
        {
            return frequency;
        }

        float factor = (float)s.Factor;
        if (wavelength > s.OriginalMaxPositions / s.LowFrequencyFactor)
        {
            return frequency / factor;
        }

        float blend = ((s.OriginalMaxPositions / wavelength) - (float)s.LowFrequencyFactor)
            / (float)(s.HighFrequencyFactor - s.LowFrequencyFactor);
        return ((1f - blend) * frequency / factor) + (blend * frequency);
    }
}
