namespace Tessera.Kernels;

/// <summary>How 32 neighbouring weights of a row are stored together: one binary16 scale, then small integers.</summary>
/// <remarks>Source: the block types of the same names in GGUF files.</remarks>
public enum BlockFormat
{
    /// <summary>Scale d, then 32 signed bytes q; value q·d. 34 bytes, 8.5 bits a weight.</summary>
    Q8_0 = 0,

    /// <summary>
    /// Scale d, then 16 bytes whose low nibbles are q of weights 0 to 15 and whose high nibbles those of 16 to 31; value
    /// (q − 8)·d. 18 bytes, 4.5 bits a weight.
    /// </summary>
    Q4_0 = 1,
}

/// <summary>Sizes of <see cref="BlockFormat"/> values.</summary>
public static class BlockFormats
{
    /// <summary>Weights of one block.</summary>
    public const int BlockSize = 32;

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this BlockFormat format) => format == BlockFormat.Q8_0 ? sizeof(ushort) + BlockSize : sizeof(ushort) + (BlockSize / 2);

    /// <summary>Bytes of <paramref name="count"/> weights.</summary>
    /// <exception cref="ArgumentException">The count is no multiple of a block.</exception>
    public static long Bytes(this BlockFormat format, long count) =>
        count >= 0 && count % BlockSize == 0
            ? checked(count / BlockSize * format.BlockBytes())
            : throw new ArgumentException($"{count} weights are no whole blocks of {BlockSize}", nameof(count));
}
