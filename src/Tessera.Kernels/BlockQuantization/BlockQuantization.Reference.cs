namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    /// <summary>The formula, weight by weight; the same bits as <see cref="Quantize"/>.</summary>
    public static void QuantizeReference(BlockFormat format, ReadOnlySpan<float> source, Span<byte> target)
    {
        for (int block = 0; block < source.Length / BlockSize; block++)
        {
            ReadOnlySpan<float> weights = source.Slice(block * BlockSize, BlockSize);
            Span<byte> bytes = target.Slice(block * format.BlockBytes(), format.BlockBytes());
            float largest = 0;
            foreach (float weight in weights)
            {
                largest = MathF.Abs(weight) > MathF.Abs(largest) ? weight : largest;
            }

            float scale = format == BlockFormat.Q8_0 ? MathF.Abs(largest) / 127 : largest / -8;
            float inverse = scale == 0 ? 0 : 1 / scale;
            BitConverter.TryWriteBytes(bytes, (Half)scale);
            for (int i = 0; i < BlockSize; i++)
            {
                if (format == BlockFormat.Q8_0)
                {
                    bytes[2 + i] = (byte)(sbyte)MathF.Round(weights[i] * inverse, MidpointRounding.AwayFromZero);
                }
                else
                {
                    int q = Math.Min(15, (int)((weights[i] * inverse) + 8.5f));
                    int half = BlockSize / 2;
                    bytes[2 + (i % half)] = i < half ? (byte)q : (byte)(bytes[2 + (i % half)] | (q << 4));
                }
            }
        }
    }

    /// <summary>The values of blocks in double precision, weight by weight.</summary>
    public static void DequantizeReference(QuantizedBlocks blocks, Span<double> target)
    {
        for (int i = 0; i < target.Length; i++)
        {
            long row = i / blocks.Columns;
            int column = i % blocks.Columns;
            target[i] = (double)blocks.Scale(row, column / BlockSize) * blocks.Integer(row, column);
        }
    }
}
