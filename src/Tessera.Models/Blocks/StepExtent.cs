using System.Numerics;

namespace Tessera.Models.Blocks;

/// <summary>
/// Sizes that several steps share, so that they ask for the same things: everything that depends on a step's size depends on these
/// alone, and what differs lies in the device's memory. The default value stands for a step's own sizes.
/// </summary>
/// <param name="Rows">Rows, at least those of the step.</param>
/// <param name="Positions">Positions of a sequence, at least those of the longest.</param>
public readonly record struct StepExtent(int Rows, int Positions)
{
    // Up to here a step costs the reading of the weights, however many rows it has.
    private const int LargestPowerOfRows = 64;

    // What one block of attention sums: below it, positions make no difference.
    private const int LeastPositions = 256;

    /// <summary>
    /// The least of a fixed set of extents that covers a step: rows in powers of two up to 64 and in quarters of a power of two
    /// beyond, so that at most a fifth of many rows is padding; positions in powers of two from 256.
    /// </summary>
    public static StepExtent Covering(int rows, int positions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(positions, 1);
        int reach = (int)Math.Min(int.MaxValue, (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(LeastPositions, positions)));
        if (rows <= LargestPowerOfRows)
        {
            return new StepExtent((int)BitOperations.RoundUpToPowerOf2((uint)rows), reach);
        }

        int unit = 1 << (BitOperations.Log2((uint)rows - 1) - 2);
        return new StepExtent(checked((rows + unit - 1) / unit * unit), reach);
    }
}
