using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>How many elements of every row lie aligned side by side, which decides how a kernel may read them.</summary>
public static class AttentionAlignment
{
    /// <summary>
    /// The largest of 8, 4, 2 and 1 elements that divides all distances between heads and rows, and whose bytes divide all
    /// addresses.
    /// </summary>
    /// <param name="distances">Head dimension and strides in elements, joined by or: only their lowest bit matters.</param>
    /// <param name="starts">First elements of all operands.</param>
    public static int Of(long distances, params ReadOnlySpan<Elements> starts)
    {
        long bits = distances;
        foreach (var start in starts)
        {
            // An address that is no multiple of its element does not occur.
            bits |= start.Address / start.Type.Bytes();
        }

        return (int)Math.Min(8, bits & -bits);
    }
}
