using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Element by element, as the contract's formula says.</content>
public static unsafe partial class KeyValueStore
{
    /// <summary>One row of keys or values into a cache row of <paramref name="type"/>.</summary>
    public static void AppendReference(ReadOnlySpan<float> source, DType type, nint destination)
    {
        for (int c = 0; c < source.Length; c++)
        {
            if (type == DType.BF16)
            {
                ((ushort*)destination)[c] = Bf16.Round(source[c]);
            }
            else
            {
                ((float*)destination)[c] = source[c];
            }
        }
    }
}
