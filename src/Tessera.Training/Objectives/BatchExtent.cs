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

    /// <summary>
    /// A batch padded to its extent: tokens without weight in documents of their own, none longer than the batch's longest, so that they
    /// meet no other token and add nothing but zeros to any sum. Rows are rounded up as <see cref="StepExtent"/> rounds them.
    /// </summary>
    public static (PackedBatch Batch, BatchExtent Extent) Pad(PackedBatch batch)
    {
        int tokens = batch.Ids.Length, longest = batch.Lengths.Max();
        int rows = StepExtent.Covering(tokens, 1).Rows, pieces = (rows - tokens + longest - 1) / longest;
        var extent = new BatchExtent(
            rows, (int)BitOperations.RoundUpToPowerOf2((uint)(batch.Lengths.Length + pieces)),
            (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(longest, LeastLongest)));
        if (pieces == 0)
        {
            return (batch, extent);
        }

        var padded = new PackedBatch(new int[rows], new int[batch.Lengths.Length + pieces], new int[rows], new float[rows]);
        batch.Ids.CopyTo(padded.Ids, 0);
        batch.Targets.CopyTo(padded.Targets, 0);
        batch.Weights.CopyTo(padded.Weights, 0);
        batch.Lengths.CopyTo(padded.Lengths, 0);
        for (int i = batch.Lengths.Length, left = rows - tokens; left > 0; i++)
        {
            padded.Lengths[i] = Math.Min(left, longest);
            left -= padded.Lengths[i];
        }

        return (padded, extent);
    }
}
