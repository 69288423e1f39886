using System.Numerics;
using Tessera.Models.Blocks;
using Tessera.Training.Data;

namespace Tessera.Training.Objectives;

/// <summary>Sizes that several batches share, so that a device that records asks for the same things for all of them.</summary>
/// <param name="Rows">Tokens, at least those of the batch.</param>
/// <param name="Documents">Documents, at least those of the batch.</param>
/// <param name="Longest">Tokens of a document, at least those of the longest.</param>
internal readonly record struct BatchExtent(int Rows, int Documents, int Longest)
{
    private const int LeastLongest = 64;

    /// <summary>Of a batch: rows are rounded up as <see cref="StepExtent"/> rounds them.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="longest">Tokens of its longest document.</param>
    /// <param name="pieces">Documents that the tokens to be added make.</param>
    public static BatchExtent Of(PackedBatch batch, out int longest, out int pieces)
    {
        int tokens = batch.Ids.Length;
        longest = batch.Lengths.Max();
        int rows = StepExtent.Covering(tokens, 1).Rows;
        pieces = (rows - tokens + longest - 1) / longest;
        return new BatchExtent(
            rows, (int)BitOperations.RoundUpToPowerOf2((uint)(batch.Lengths.Length + pieces)),
            (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(longest, LeastLongest)));
    }
}
