using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <summary>Measured cases of kernels that go over their tensors once: sizes, inputs and the form of a case.</summary>
internal static unsafe class RowBench
{
    /// <summary>Elements of one main tensor of a measured case: 128 MiB of f32, well beyond the caches.</summary>
    public const int Elements = 1 << 25;

    /// <summary>Columns of a measured row: a model of about one billion parameters.</summary>
    public const int Width = 2048;

    /// <summary>Rows of <see cref="Width"/> that make up <see cref="Elements"/>.</summary>
    public const int Tokens = Elements / Width;

    /// <summary>A case named <c>row</c>, held against a copy.</summary>
    /// <param name="shape">Operation and sizes.</param>
    /// <param name="bytes">Bytes that the formula reads and writes, each once.</param>
    /// <param name="prepare">Makes the inputs; returns what runs once.</param>
    public static BenchCase Copy(string shape, double bytes, Func<Arena, Action> prepare) =>
        new("row", shape, "f32", BenchCeiling.StreamCopy, bytes, prepare);

    /// <summary>A case named <c>row</c>, held against a read.</summary>
    /// <inheritdoc cref="Copy" />
    public static BenchCase Read(string shape, double bytes, Func<Arena, Action> prepare) =>
        new("row", shape, "f32", BenchCeiling.StreamRead, bytes, prepare);

    /// <summary>Numbers between −1 and 1, never zeros or denormals, from a small table repeated, quick to make.</summary>
    public static float* Filled(Arena arena, long count, ulong seed)
    {
        const int Table = 4099;
        float* values = arena.Floats(count);
        var random = new CounterRandom(seed);
        for (int i = 0; i < Math.Min(count, Table); i++)
        {
            values[i] = (2f * random.NextSingle()) - 1f;
        }

        for (long i = Table; i < count; i += Table)
        {
            new Span<float>(values, (int)Math.Min(Table, count - i)).CopyTo(new Span<float>(values + i, Table));
        }

        return values;
    }

    /// <summary>Such numbers as f32 or rounded to bf16.</summary>
    public static nint Filled(Arena arena, long count, DType type, ulong seed)
    {
        if (type == DType.F32)
        {
            return (nint)Filled(arena, count, seed);
        }

        var halves = (ushort*)arena.Allocate(count * sizeof(ushort));
        var mark = arena.Mark();
        float* values = Filled(arena, Math.Min(count, 1 << 16), seed);
        for (long i = 0; i < count; i++)
        {
            halves[i] = Bf16.Round(values[i & 0xFFFF]);
        }

        arena.Release(mark);
        return (nint)halves;
    }
}
