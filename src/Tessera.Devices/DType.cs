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

    /// <summary>
    /// A matrix of signed 8-bit integers in groups of 32 along a row with one binary16 scale each, the values of GGUF's Q8_0:
    /// w = d·q with q from −128 to 127.
    /// </summary>
    Int8 = 4,

    /// <summary>
    /// A matrix of 4-bit integers in groups of 32 along a row with one binary16 scale each, the values of GGUF's Q4_0:
    /// w = d·(q − 8) with q from 0 to 15.
    /// </summary>
    Int4 = 5,

    /// <summary>
    /// A matrix of E4M3 numbers with one f32 scale a row, w = d·q: rows of whole packs of 16 bytes, then the scales. For inference on
    /// cards of compute capability 8.9 and newer.
    /// </summary>
    FP8 = 6,
}

/// <summary>Sizes and names of <see cref="DType"/> values.</summary>
public static class DTypes
{
    /// <summary>Neighbours in a row that share a scale in a grouped type.</summary>
    public const int GroupElements = 32;

    /// <summary>Rows that a grouped type stores interleaved; a matrix takes whole tiles.</summary>
    public const int TileRows = 16;

    /// <summary>Bytes that a row of <see cref="DType.FP8"/> is a multiple of: what is loaded at once, and what cuBLASLt asks of a row.</summary>
    public const int Fp8RowPack = 16;

    private const int ScaleBytes = 2;

    /// <summary>Whether a type exists only as a matrix of groups with scales; its elements have no address of their own.</summary>
    public static bool IsGrouped(this DType type) => type is DType.Int8 or DType.Int4;

    /// <summary>Whether a type exists only as a matrix with scales, in groups or a row, and only for inference.</summary>
    public static bool HasScales(this DType type) => type.IsGrouped() || type == DType.FP8;

    /// <summary>Bytes from one row of <see cref="DType.FP8"/> to the next.</summary>
    public static long Fp8Stride(int columns) => ((long)columns + Fp8RowPack - 1) / Fp8RowPack * Fp8RowPack;

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentException">The type has scales beside its elements: see <see cref="MatrixBytes"/>.</exception>
    public static int Bytes(this DType type) => type switch
    {
        DType.F32 or DType.I32 => 4,
        DType.BF16 => 2,
        DType.I64 => 8,
        DType.Int8 or DType.Int4 or DType.FP8 => throw new ArgumentException(
            $"{type.Label()} is stored with scales beside its elements: there is no size of one element", nameof(type)),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };

    /// <summary>
    /// Bytes of a matrix in memory, padding included: of grouped types whole tiles of <see cref="TileRows"/> rows, whole groups of
    /// <see cref="GroupElements"/> columns; of fp8 rows of whole packs of <see cref="Fp8RowPack"/> bytes, then a scale a row.
    /// </summary>
    public static long MatrixBytes(this DType type, long rows, long columns)
    {
        if (type == DType.FP8)
        {
            return checked(rows * (Fp8Stride((int)columns) + sizeof(float)));
        }

        if (!type.IsGrouped())
        {
            return checked(rows * columns * type.Bytes());
        }

        long tiles = (rows + TileRows - 1) / TileRows, groups = (columns + GroupElements - 1) / GroupElements;
        return checked(tiles * groups * type.TileGroupBytes());
    }

    /// <summary>Bytes that one group of columns takes in a tile of a grouped type: integers of all rows, then their scales.</summary>
    public static int TileGroupBytes(this DType type) => type switch
    {
        DType.Int8 => TileRows * (GroupElements + ScaleBytes),
        DType.Int4 => TileRows * ((GroupElements / 2) + ScaleBytes),
        _ => throw new ArgumentException($"{type.Label()} is not stored in groups", nameof(type)),
    };

    /// <summary>The name used on the command line and in reports: f32, bf16, int8, int4, fp8, i32, i64.</summary>
    public static string Label(this DType type) => type switch
    {
        DType.F32 => "f32",
        DType.BF16 => "bf16",
        DType.I32 => "i32",
        DType.I64 => "i64",
        DType.Int8 => "int8",
        DType.Int4 => "int4",
        DType.FP8 => "fp8",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };
}
