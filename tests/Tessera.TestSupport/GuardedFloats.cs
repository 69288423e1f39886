using System.Runtime.InteropServices;
using Xunit;

namespace Tessera.TestSupport;

/// <summary>
/// A float buffer between guard zones, poisoned with NaN: a kernel that does not write all of its output, or writes
/// beyond it, is found out.
/// </summary>
public sealed unsafe class GuardedFloats : IDisposable
{
    private const int GuardFloats = 64;
    private const uint GuardBits = 0x7FC0_BEEF;
    private readonly float* _block;

    public GuardedFloats(long length, int misalignment = 0)
    {
        Length = length;
        Misalignment = misalignment;
        _block = (float*)NativeMemory.AlignedAlloc((nuint)((length + (2 * GuardFloats) + misalignment) * sizeof(float)), 64);
        for (long i = 0; i < length + (2 * GuardFloats) + misalignment; i++)
        {
            ((uint*)_block)[i] = GuardBits;
        }
    }

    public long Length { get; }

    public int Misalignment { get; }

    public float* Pointer => _block + GuardFloats + Misalignment;

    public Span<float> Span => new(Pointer, checked((int)Length));

    public static GuardedFloats From(ReadOnlySpan<float> values, int misalignment = 0)
    {
        var buffer = new GuardedFloats(values.Length, misalignment);
        values.CopyTo(buffer.Span);
        return buffer;
    }

    /// <summary>Unit Gaussians from a seed.</summary>
    public static GuardedFloats Random(long length, int seed, float scale = 1f, int misalignment = 0)
    {
        var buffer = new GuardedFloats(length, misalignment);
        var random = new Tessera.Devices.CounterRandom((ulong)seed, 0x7E57);
        for (long i = 0; i < length; i++)
        {
            buffer.Pointer[i] = random.NextGaussian() * scale;
        }

        return buffer;
    }

    public static GuardedFloats Zeros(long length)
    {
        var buffer = new GuardedFloats(length);
        buffer.Span.Clear();
        return buffer;
    }

    /// <summary>Fails if a byte before or behind the buffer changed.</summary>
    public void AssertGuardsIntact()
    {
        for (int i = 0; i < GuardFloats; i++)
        {
            Assert.True(((uint*)Pointer)[-1 - i] == GuardBits, $"wrote {i + 1} floats before the buffer");
            Assert.True(((uint*)Pointer)[Length + i] == GuardBits, $"wrote {i + 1} floats behind the buffer");
        }
    }

    public void Dispose() => NativeMemory.AlignedFree(_block);
}
