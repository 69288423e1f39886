using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Inputs for measuring row kernels: random numbers, never zeros or denormals.</summary>
internal static unsafe class RowBench
{
    /// <summary>Elements of one main tensor of a measured case: 64 MiB of f32, well beyond the caches.</summary>
    public const int Elements = 1 << 24;

    /// <summary>Numbers between −1 and 1 from a small table repeated, quick to make.</summary>
    public static float* Filled(Arena arena, long count, ulong seed)
    {
        const int Table = 4099;
        float* values = arena.Floats(count);
        var random = new CounterRandom(seed);
        for (int i = 0; i < Math.Min(count, Table); i++)
        {
            values[i] = (2f * random.NextSingle()) - 1f;
        }

        for (long i = Table; i < count; i++)
        {
            values[i] = values[i - Table];
        }

        return values;
    }
}
