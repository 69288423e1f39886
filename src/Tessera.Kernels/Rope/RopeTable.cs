using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Cosines and sines of position · frequency for every position and frequency of a head.</summary>
/// <remarks>
/// Frequencies f_j = theta^(−2j/E), j = 0..E/2−1, in f32, with an optional scaling; the angle is the f32 product of
/// position and frequency, its cosine and sine are taken in double, multiplied by the scaling's amplitude and rounded: the
/// numbers that checkpoints were trained with.
/// Shapes: cosines and sines f32 [Positions, E/2]. Not safe for concurrent growth.
/// </remarks>
public sealed unsafe class RopeTable : IDisposable
{
    private readonly float[] _frequencies;
    private readonly double _amplitude;
    private readonly int _limit;
    private readonly Arena _arena;

    /// <summary>Builds the table for positions [0, maxPositions).</summary>
    /// <param name="headDim">Elements E of one head.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="scaling">Of the frequencies, or null.</param>
    /// <param name="maxPositions">Positions to cover at first.</param>
    /// <param name="memory">Where the table lies; null for the processor's.</param>
    /// <exception cref="ArgumentException">Head dimension, theta, scaling or the number of positions is unusable.</exception>
    public RopeTable(int headDim, double theta, RopeScaling? scaling, int maxPositions, DeviceMemory? memory = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxPositions);
        _frequencies = [.. InverseFrequencies(headDim, theta, scaling).Select(f => (float)f)];
        _amplitude = scaling?.Amplitude ?? 1;
        _limit = scaling?.PositionLimit ?? int.MaxValue;
        _arena = new Arena("rope table", memory ?? HostMemory.Instance);
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

    /// <summary>The frequencies f_j of a head, scaled where there is a scaling, each an f32 value.</summary>
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
            frequencies[j] = scaling is null ? 1f / power : scaling.Apply(1f / power, j, headDim, theta);
            if (!double.IsFinite(frequencies[j]))
            {
                throw new ArgumentException($"rope: theta {theta} with {scaling} gives frequency {j} of {headDim / 2} no finite value");
            }
        }

        return frequencies;
    }

    /// <summary>Grows the table to at least <paramref name="positions"/>, doubling so that growth stays rare.</summary>
    /// <remarks>Earlier addresses keep their contents until <see cref="Dispose"/>; all of them together are below the current size.</remarks>
    /// <exception cref="ArgumentException">The scaling does not reach that far.</exception>
    public void EnsurePositions(int positions)
    {
        if (positions <= Positions)
        {
            return;
        }

        if (positions > _limit)
        {
            throw new ArgumentException($"rope: {positions} positions, the model's dynamic scaling is supported up to {_limit}");
        }

        Grow((int)Math.Min(_limit, Math.Max(positions, 2L * Positions)));
    }

    private void Grow(int target)
    {
        int half = HeadDim / 2;
        long bytes = (long)target * half * sizeof(float);
        nint cosines = _arena.Allocate(bytes), sines = _arena.Allocate(bytes);
        _arena.Memory.Write(cosines, bytes, cosinesOnHost =>
            _arena.Memory.Write(sines, bytes, sinesOnHost => Fill((float*)cosinesOnHost, (float*)sinesOnHost, target)));
        Cosines = (float*)cosines;
        Sines = (float*)sines;
        Positions = target;
    }

    private void Fill(float* cosines, float* sines, int positions)
    {
        int half = HeadDim / 2;
        for (int p = 0; p < positions; p++)
        {
            for (int j = 0; j < half; j++)
            {
                float angle = p * _frequencies[j];
                var (sine, cosine) = Math.SinCos(angle);
                cosines[((long)p * half) + j] = (float)(cosine * _amplitude);
                sines[((long)p * half) + j] = (float)(sine * _amplitude);
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();
}
