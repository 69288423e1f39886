using Tessera.Devices;

namespace Tessera.Models.Safetensors;

/// <summary>A tensor in memory, row-major and dense, that is to be written.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Element type in the file.</param>
/// <param name="Shape">Sizes, slowest first; empty for a scalar.</param>
/// <param name="Address">First element; must stay valid until the write returns.</param>
public sealed record TensorToWrite(string Name, DType Type, long[] Shape, nint Address)
{
    /// <summary>Element type in memory: the file's, or one of f32 and bf16 that is converted to the other.</summary>
    public DType Source { get; init; } = Type;

    /// <summary>The memory it lies in.</summary>
    public DeviceMemory Memory { get; init; } = HostMemory.Instance;

    /// <summary>Bytes the tensor takes in the file.</summary>
    /// <exception cref="ArgumentException">A size is negative or the product overflows.</exception>
    public long ByteCount()
    {
        long bytes = Type.Bytes();
        foreach (long size in Shape)
        {
            if (size < 0 || (size > 0 && bytes > long.MaxValue / size))
            {
                throw new ArgumentException($"tensor '{Name}' has the impossible shape {SafetensorsTensor.ShapeText(Shape)}");
            }

            bytes *= size;
        }

        return bytes;
    }
}
