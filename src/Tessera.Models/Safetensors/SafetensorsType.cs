namespace Tessera.Models.Safetensors;

/// <summary>Element types of the format, in the order of its definition; the writer sorts tensors by it, descending.</summary>
public enum SafetensorsType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool = 0,

    /// <summary>4-bit float.</summary>
    F4,

    /// <summary>6-bit float, 2 exponent and 3 fraction bits.</summary>
    F6E2M3,

    /// <summary>6-bit float, 3 exponent and 2 fraction bits.</summary>
    F6E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float, 5 exponent and 2 fraction bits.</summary>
    F8E5M2,

    /// <summary>8-bit float, 4 exponent and 3 fraction bits, no infinities.</summary>
    F8E4M3,

    /// <summary>8-bit power of two.</summary>
    F8E8M0,

    /// <summary>8-bit float, 4 exponent and 3 fraction bits, one zero, one NaN.</summary>
    F8E4M3Fnuz,

    /// <summary>8-bit float, 5 exponent and 2 fraction bits, one zero, one NaN.</summary>
    F8E5M2Fnuz,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE binary32.</summary>
    F32,

    /// <summary>Two binary32: real and imaginary part.</summary>
    C64,

    /// <summary>IEEE binary64.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}
