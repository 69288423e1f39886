namespace Tessera.Devices;

/// <summary>How many blocks a grid has, or threads a block, in up to three dimensions.</summary>
/// <param name="X">The dimension that may be large: up to 2³¹ − 1 blocks, 1024 threads.</param>
/// <param name="Y">Up to 65,535 blocks.</param>
/// <param name="Z">Up to 65,535 blocks.</param>
public readonly record struct CudaExtent(int X, int Y = 1, int Z = 1)
{
    /// <summary>Whether there is nothing to run.</summary>
    public bool IsEmpty => X == 0 || Y == 0 || Z == 0;

    /// <summary>One dimension.</summary>
    public static implicit operator CudaExtent(int x) => FromInt32(x);

    /// <summary>Two dimensions.</summary>
    public static implicit operator CudaExtent((int X, int Y) extent) => FromValueTuple(extent);

    /// <summary>Three dimensions.</summary>
    public static implicit operator CudaExtent((int X, int Y, int Z) extent) => FromValueTuple(extent);

    /// <summary>One dimension.</summary>
    public static CudaExtent FromInt32(int x) => new(x);

    /// <summary>Two dimensions.</summary>
    public static CudaExtent FromValueTuple((int X, int Y) extent) => new(extent.X, extent.Y);

    /// <summary>Three dimensions.</summary>
    public static CudaExtent FromValueTuple((int X, int Y, int Z) extent) => new(extent.X, extent.Y, extent.Z);

    /// <inheritdoc />
    public override string ToString() => $"{X}×{Y}×{Z}";
}
