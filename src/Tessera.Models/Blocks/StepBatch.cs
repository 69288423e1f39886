using Tessera.Devices;

namespace Tessera.Models.Blocks;

/// <summary>A run of consecutive tokens of one sequence inside a step.</summary>
/// <param name="Start">First row of the step.</param>
/// <param name="Count">Rows.</param>
/// <param name="Past">Positions of the sequence that came before, in its state.</param>
/// <param name="Slot">Which of the cache's sequences it is; unused without a cache.</param>
public readonly record struct SequenceSpan(int Start, int Count, int Past, int Slot);

/// <summary>
/// One step's tokens: packed documents of a training batch, a prompt, or one new token each of many sequences. Ids and
/// positions live in an arena, so the tape may keep pointing at them until the arena is reset.
/// </summary>
public sealed unsafe class StepBatch
{
    private readonly SequenceSpan[] _spans;

    private StepBatch(int* ids, int* positions, int tokens, SequenceSpan[] spans)
    {
        Ids = ids;
        Positions = positions;
        Tokens = tokens;
        _spans = spans;
    }

    /// <summary>Token ids, [Tokens].</summary>
    public int* Ids { get; }

    /// <summary>Position of each token in its sequence, [Tokens].</summary>
    public int* Positions { get; }

    /// <summary>Rows of the step.</summary>
    public int Tokens { get; }

    /// <summary>The sequences' parts, in order, covering all rows.</summary>
    public ReadOnlySpan<SequenceSpan> Spans => _spans;

    /// <summary>One past the highest position in the step.</summary>
    public int PositionLimit { get; private init; }

    /// <summary>Copies ids into an arena and derives positions from the spans.</summary>
    /// <exception cref="ArgumentException">The spans do not cover the ids in order.</exception>
    public static StepBatch Create(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<SequenceSpan> spans)
    {
        int* idCopy = (int*)arena.Allocate(ids.Length * sizeof(int));
        int* positions = (int*)arena.Allocate(ids.Length * sizeof(int));
        ids.CopyTo(new Span<int>(idCopy, ids.Length));
        int next = 0;
        int limit = 0;
        foreach (var span in spans)
        {
            if (span.Start != next || span.Count < 1 || span.Past < 0 || span.Count > ids.Length - next
                || span.Past > int.MaxValue - span.Count)
            {
                throw new ArgumentException($"sequence part at row {span.Start} does not continue at row {next} of {ids.Length}");
            }

            for (int i = 0; i < span.Count; i++)
            {
                positions[span.Start + i] = span.Past + i;
            }

            next += span.Count;
            limit = Math.Max(limit, span.Past + span.Count);
        }

        if (next != ids.Length)
        {
            throw new ArgumentException($"sequence parts cover {next} of {ids.Length} rows");
        }

        return new StepBatch(idCopy, positions, ids.Length, spans.ToArray()) { PositionLimit = limit };
    }

    /// <summary>A batch of whole documents laid one behind the other.</summary>
    public static StepBatch Packed(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        var spans = new SequenceSpan[lengths.Length];
        int start = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            spans[i] = new SequenceSpan(start, lengths[i], 0, i);
            start += lengths[i];
        }

        return Create(arena, ids, spans);
    }

    /// <summary>One document.</summary>
    public static StepBatch Single(Arena arena, ReadOnlySpan<int> ids) =>
        Packed(arena, ids, [ids.Length]);
}
