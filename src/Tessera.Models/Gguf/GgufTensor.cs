namespace Tessera.Models.Gguf;

/// <summary>One entry of a file's list of tensors.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">Element type; may be one that is only recognised.</param>
/// <param name="Dimensions">Sizes, fastest first: a matrix [out, in] has the dimensions in, out.</param>
/// <param name="Offset">First byte, counted from the beginning of the data section.</param>
/// <param name="Bytes">Length in bytes.</param>
public sealed record GgufTensor(string Name, GgufTensorType Type, long[] Dimensions, long Offset, long Bytes)
{
    /// <summary>Number of elements: the product of the dimensions.</summary>
    public long ElementCount => Dimensions.Aggregate(1L, (product, size) => product * size);

    /// <summary>Sizes, slowest first, as everywhere else.</summary>
    public long[] Shape => [.. Dimensions.Reverse()];

    /// <summary>For messages: <c>Q8_0 [2, 32]</c>.</summary>
    public override string ToString() => $"{Type.Label()} [{string.Join(", ", Shape)}]";
}
