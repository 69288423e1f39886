namespace Tessera.Devices;

/// <summary>
/// The first of a run of elements in a device's memory, and how they are stored: what the operations' contracts take for
/// activations and gradients. A value: it owns nothing, and knows no length.
/// </summary>
/// <param name="Address">The first element's address on the device; 0 where there is none.</param>
/// <param name="Type"><see cref="DType.F32"/> or <see cref="DType.BF16"/>.</param>
public readonly unsafe record struct Elements(nint Address, DType Type)
{
    /// <summary>Whether there are any; the default value has none.</summary>
    public bool Exists => Address != 0;

    /// <summary>The elements as floats, for code that computes in f32 memory only: the processor's.</summary>
    /// <exception cref="InvalidOperationException">They are stored in another type.</exception>
    public float* Floats => Type == DType.F32
        ? (float*)Address
        : throw new InvalidOperationException($"this computes on f32 elements, and these are {Type.Label()}");

    /// <summary>f32 elements.</summary>
    public static implicit operator Elements(float* floats) => From(floats);

    /// <summary>The elements from number <paramref name="count"/> on; of none, none.</summary>
    public static Elements operator +(Elements elements, long count) => elements.Add(count);

    /// <summary>f32 elements.</summary>
    public static Elements From(float* floats) => new((nint)floats, DType.F32);

    /// <summary>The elements from number <paramref name="count"/> on; of none, none.</summary>
    public Elements Add(long count) => !Exists ? this : this with { Address = Address + (nint)(count * Type.Bytes()) };
}
