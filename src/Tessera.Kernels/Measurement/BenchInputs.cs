using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Inputs of measured cases in the memory of any device.</summary>
internal static unsafe class BenchInputs
{
    /// <summary>Numbers between −1 and 1, never zeros or denormals, from a small table repeated, quick to make.</summary>
    public static Elements Filled(Arena arena, long count, DType type, ulong seed)
    {
        // Not a power of two, so that rows are unlike each other.
        const int Table = 4099;
        float[] values = new float[(int)Math.Min(count, Table)];
        var random = new CounterRandom(seed);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (2f * random.NextSingle()) - 1f;
        }

        return new Elements(
            type == DType.F32 ? Repeated<float>(arena, values, count) : Repeated<ushort>(arena, Array.ConvertAll(values, Bf16.Round), count), type);
    }

    /// <summary>Such numbers in f32, for what is f32 on every device.</summary>
    public static float* Floats(Arena arena, long count, ulong seed) => (float*)Filled(arena, count, DType.F32, seed).Address;

    /// <summary>The number 1 in f32.</summary>
    public static float* Ones(Arena arena, long count) => (float*)Repeated<float>(arena, [1f], count);

    /// <summary>These elements.</summary>
    public static nint Of<T>(Arena arena, ReadOnlySpan<T> elements)
        where T : unmanaged => Repeated(arena, elements, elements.Length);

    /// <summary>As many elements, one after the other and again from the first.</summary>
    public static nint Repeated<T>(Arena arena, ReadOnlySpan<T> table, long count)
        where T : unmanaged
    {
        nint address = arena.Allocate(count * sizeof(T));
        long done = Math.Min(count, table.Length);
        arena.Memory.Upload(table[..(int)done], address);
        while (done < count)
        {
            // What is there already once more: it ends on a whole table.
            long more = Math.Min(done, count - done);
            arena.Memory.Copy(address, address + (nint)(done * sizeof(T)), more * sizeof(T));
            done += more;
        }

        return address;
    }
}
