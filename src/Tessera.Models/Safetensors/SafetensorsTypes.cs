using Tessera.Devices;

namespace Tessera.Models.Safetensors;

/// <summary>Names and sizes of <see cref="SafetensorsType"/> values.</summary>
public static class SafetensorsTypes
{
    private static readonly (string Label, int Bits)[] Table =
    [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8),
        ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16),
        ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ];

    /// <summary>The name in the header.</summary>
    public static string Label(this SafetensorsType type) => Table[(int)type].Label;

    /// <summary>Bits of one element.</summary>
    public static int Bits(this SafetensorsType type) => Table[(int)type].Bits;

    /// <summary>The type of a header's name, which is case-sensitive.</summary>
    public static bool TryParse(string? label, out SafetensorsType type)
    {
        int index = Array.FindIndex(Table, row => row.Label == label);
        type = (SafetensorsType)Math.Max(index, 0);
        return index >= 0;
    }

    /// <summary>The format's name for a type of ours.</summary>
    public static SafetensorsType From(DType type) => type switch
    {
        DType.F32 => SafetensorsType.F32,
        DType.BF16 => SafetensorsType.BF16,
        DType.I32 => SafetensorsType.I32,
        DType.I64 => SafetensorsType.I64,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };
}
