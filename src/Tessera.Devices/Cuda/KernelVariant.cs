using System.Runtime.CompilerServices;

namespace Tessera.Devices;

/// <summary>Values of a kernel's defines, in their order: types as their number, sizes that the code is specialised for.</summary>
public readonly struct KernelVariant : IEquatable<KernelVariant>
{
    /// <summary>The most defines that a kernel can have.</summary>
    public const int MostValues = 8;

    private readonly Values _values;
    private readonly int _count;

    /// <summary>These values.</summary>
    public KernelVariant(params ReadOnlySpan<int> values)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(values.Length, MostValues);
        _count = values.Length;
        values.CopyTo(_values);
    }

    /// <summary>How many there are.</summary>
    public int Count => _count;

    /// <summary>The value of a define.</summary>
    public int this[int index] => _values[index];

    /// <summary>Equality of values.</summary>
    public static bool operator ==(KernelVariant left, KernelVariant right) => left.Equals(right);

    /// <summary>Inequality of values.</summary>
    public static bool operator !=(KernelVariant left, KernelVariant right) => !left.Equals(right);

    /// <inheritdoc />
    public bool Equals(KernelVariant other) =>
        _count == other._count && ((ReadOnlySpan<int>)_values).SequenceEqual(other._values);

    /// <inheritdoc />
    public override bool Equals(object? obj) => obj is KernelVariant other && Equals(other);

    /// <inheritdoc />
    public override int GetHashCode()
    {
        int hash = _count;
        foreach (int value in (ReadOnlySpan<int>)_values)
        {
            hash = HashCode.Combine(hash, value);
        }

        return hash;
    }

    [InlineArray(MostValues)]
    private struct Values
    {
        private int _first;
    }
}
