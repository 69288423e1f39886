namespace Tessera.Models.Gguf;

/// <summary>
/// The order of rows in query and key projections: Hugging Face checkpoints turn element j of a head with element j + d/2, GGUF's
/// <c>llama</c> and <c>deci</c> turn neighbours.
/// </summary>
/// <remarks>Within each head, neighbour row 2j + p is half row p·d/2 + j, for p = 0, 1 and j = 0..d/2−1.</remarks>
internal static unsafe class RotaryPairs
{
    /// <summary>Copies the rows of one head from halves to neighbours.</summary>
    public static void ToNeighbours(byte* source, byte* target, int headDim, long rowBytes)
    {
        for (int row = 0; row < headDim; row++)
        {
            Buffer.MemoryCopy(source + (((row % 2 * (headDim / 2)) + (row / 2)) * rowBytes), target + (row * rowBytes), rowBytes, rowBytes);
        }
    }

    /// <summary>Copies the rows of one head from neighbours to halves.</summary>
    public static void ToHalves(byte* source, byte* target, int headDim, long rowBytes)
    {
        for (int row = 0; row < headDim; row++)
        {
            Buffer.MemoryCopy(source + (row * rowBytes), target + (((row % 2 * (headDim / 2)) + (row / 2)) * rowBytes), rowBytes, rowBytes);
        }
    }
}
