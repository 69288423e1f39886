namespace Tessera.Devices;

/// <summary>Storage type of an element. Arithmetic on the CPU is always f32; bf16 is a storage format there.</summary>
public enum DType
{
    /// <summary>IEEE binary32, 4 bytes.</summary>
    F32 = 0,

    /// <summary>bfloat16: the upper half of a binary32, 2 bytes.</summary>
    BF16 = 1,

    /// <summary>Signed 32-bit integer, 4 bytes.</summary>
    I32 = 2,

    /// <summary>Signed 64-bit integer, 8 bytes.</summary>
    I64 = 3,
}

/// <summary>Sizes and names of <see cref="DType"/> values.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Bytes(this DType type) => type switch
    {
        DType.F32 or DType.I32 => 4,
        DType.BF16 => 2,
        DType.I64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };

    /// <summary>The name used on the command line and in reports: f32, bf16, i32, i64.</summary>
    public static string Label(this DType type) => type switch
    {
        DType.F32 => "f32",
        DType.BF16 => "bf16",
        DType.I32 => "i32",
        DType.I64 => "i64",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };
}
