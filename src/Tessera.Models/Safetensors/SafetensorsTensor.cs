namespace Tessera.Models.Safetensors;

/// <summary>One entry of a file's header.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes, slowest first; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the beginning of the data section.</param>
/// <param name="Bytes">Length in bytes.</param>
public sealed record SafetensorsTensor(string Name, SafetensorsType Type, long[] Shape, long Offset, long Bytes)
{
    /// <summary>Number of elements: the product of the shape.</summary>
    public long ElementCount
    {
        get
        {
            long product = 1;
            foreach (long size in Shape)
            {
                product *= size;
            }

            return product;
        }
    }

    /// <summary>For messages: <c>F32 [2, 3]</c>.</summary>
    public override string ToString() => $"{Type.Label()} {ShapeText(Shape)}";

    internal static string ShapeText(ReadOnlySpan<long> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
