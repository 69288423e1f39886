namespace Tessera.Puzzle.Costs;

/// <summary>How weights or keys and values are stored where a model is served, as far as it matters for their size.</summary>
/// <remarks>Grouped formats count their scales: 32 values and two bytes (int8, int4), 16 values and one byte (nvfp4).</remarks>
/// <param name="Label">Its name, in lower case.</param>
/// <param name="BytesPerElement">Bytes of one value, scales included.</param>
public sealed record StorageFormat(string Label, double BytesPerElement)
{
    /// <summary>All formats by which a memory may be asked for.</summary>
    public static IReadOnlyList<StorageFormat> All { get; } =
    [
        new("f32", 4), new("bf16", 2), new("f16", 2), new("fp8", 1), new("int8", 34.0 / 32), new("int4", 18.0 / 32),
        new("nvfp4", 9.0 / 16),
    ];

    /// <summary>The format of this name.</summary>
    /// <param name="name">For instance <c>fp8</c>.</param>
    /// <param name="field">Named in the message.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public static StorageFormat Parse(string name, string field) =>
        All.FirstOrDefault(format => format.Label == name) ?? throw new InvalidDataException(
            $"{field}: '{name}' is no storage format, expected one of {string.Join(", ", All.Select(format => format.Label))}");
}
