using Tessera.Training.Data;

namespace Tessera.Training.Objectives;

/// <summary>Pads batches to their extents; keeps the arrays, so that a batch of sizes seen before allocates nothing.</summary>
internal sealed class BatchPadding
{
    // Numbers of documents vary more than rows do: beyond this many pairs memory would be kept for what hardly comes again.
    private const int MostRooms = 64;

    private readonly Dictionary<(int Rows, int Documents), PackedBatch> _rooms = [];

    /// <summary>
    /// A batch padded to its extent: tokens without weight in documents of their own, none longer than the batch's longest, so that they
    /// meet no other token and add nothing but zeros to any sum. Valid until the next call.
    /// </summary>
    public (PackedBatch Batch, BatchExtent Extent) Pad(PackedBatch batch)
    {
        var extent = BatchExtent.Of(batch, out int longest, out int pieces);
        if (pieces == 0)
        {
            return (batch, extent);
        }

        int tokens = batch.Ids.Length, documents = batch.Lengths.Length;
        var padded = Room(extent.Rows, documents + pieces);
        batch.Ids.CopyTo(padded.Ids, 0);
        batch.Targets.CopyTo(padded.Targets, 0);
        batch.Weights.CopyTo(padded.Weights, 0);
        batch.Lengths.CopyTo(padded.Lengths, 0);
        padded.Ids.AsSpan(tokens).Clear();
        padded.Targets.AsSpan(tokens).Clear();
        padded.Weights.AsSpan(tokens).Clear();
        for (int i = documents, left = extent.Rows - tokens; left > 0; i++)
        {
            padded.Lengths[i] = Math.Min(left, longest);
            left -= padded.Lengths[i];
        }

        return (padded, extent);
    }

    private PackedBatch Room(int rows, int documents)
    {
        if (_rooms.TryGetValue((rows, documents), out var room))
        {
            return room;
        }

        if (_rooms.Count == MostRooms)
        {
            _rooms.Clear();
        }

        room = new PackedBatch(new int[rows], new int[documents], new int[rows], new float[rows]);
        _rooms.Add((rows, documents), room);
        return room;
    }
}
