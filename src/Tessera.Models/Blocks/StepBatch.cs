using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Models.Blocks;

/// <summary>A run of consecutive tokens of one sequence inside a step.</summary>
/// <param name="Start">First row of the step.</param>
/// <param name="Count">Rows.</param>
/// <param name="Past">Positions of the sequence that came before, in its state.</param>
/// <param name="Slot">Which of the cache's sequences it is; unused without a cache.</param>
public readonly record struct SequenceSpan(int Start, int Count, int Past, int Slot);

/// <summary>
/// One step's tokens: packed documents of a training batch, a prompt, or one new token each of many sequences. Ids, positions
/// and segments live in an arena, so the tape may keep pointing at them until the arena is reset; the host keeps copies.
/// </summary>
/// <remarks>
/// A step may be padded to an <see cref="Extent"/>, so that steps of nearly the same size ask for the same things: rows behind the last
/// sequence belong to none. What is computed there is not defined, and meets no other row.
/// </remarks>
public sealed unsafe class StepBatch
{
    private SequenceSpan[] _spans = [];
    private AttentionSegment[] _segments = [];
    private int[] _ids = [];
    private int[] _positions = [];
    private AttentionSegment* _deviceSegments;
    private AttentionBounds _bounds;
    private int _spanCount;
    private int _documents;
    private int _longest;

    private StepBatch()
    {
    }

    /// <summary>Token ids, [Tokens], in the arena.</summary>
    public int* Ids { get; private set; }

    /// <summary>Position of each token in its sequence, [Tokens], in the arena.</summary>
    public int* Positions { get; private set; }

    /// <summary>Token ids on the host.</summary>
    public ReadOnlySpan<int> HostIds => _ids.AsSpan(0, Tokens);

    /// <summary>The sequences for an attention without a cache, in the arena: every token's keys are the step's own.</summary>
    /// <exception cref="InvalidOperationException">A sequence has a past, or the step is padded.</exception>
    internal AttentionSegment* Segments => _deviceSegments is not null || _spanCount == 0
        ? _deviceSegments
        : throw new InvalidOperationException(
            FirstContinued() is >= 0 and var span
                ? $"a sequence continues at position {Spans[span].Past} but there is no cache"
                : "a padded step needs a cache");

    /// <summary>What the host knows of the segments.</summary>
    internal AttentionBounds Bounds => _bounds;

    /// <summary>Rows of the step, padding included.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows of the sequences' parts.</summary>
    internal int CoveredRows { get; private set; }

    /// <summary>What the step was padded to; nothing by default.</summary>
    internal StepExtent Extent { get; private init; }

    /// <summary>The sequences' parts, in order, covering all rows but those of the padding.</summary>
    public ReadOnlySpan<SequenceSpan> Spans => _spans.AsSpan(0, _spanCount);

    /// <summary>One past the highest position in the step.</summary>
    public int PositionLimit { get; private set; }

    /// <summary>Copies ids into an arena and derives positions from the spans.</summary>
    /// <param name="arena">Owner of ids and positions.</param>
    /// <param name="ids">The parts' tokens.</param>
    /// <param name="spans">The parts.</param>
    /// <param name="extent">What the step is padded to; only steps over a cache can be.</param>
    /// <exception cref="ArgumentException">The spans do not cover the ids in order, or the extent is smaller than the step.</exception>
    public static StepBatch Create(
        Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<SequenceSpan> spans, StepExtent extent = default)
    {
        var step = new StepBatch { _spans = spans.ToArray(), _spanCount = spans.Length, Extent = extent };
        step.Fill(arena, ids);
        return step;
    }

    /// <summary>A batch of whole documents laid one behind the other.</summary>
    /// <param name="arena">Owner of ids and positions.</param>
    /// <param name="ids">The documents' tokens.</param>
    /// <param name="lengths">Tokens of each document.</param>
    /// <param name="reuse">A step that nobody needs any more; it becomes the new one and is returned. Null for a fresh one.</param>
    /// <param name="documents">
    /// Documents that what is asked for has room for; with the same number for several batches, and the same <paramref name="longest"/>,
    /// they ask for the same things. 0 for those that there are.
    /// </param>
    /// <param name="longest">Tokens of a document that what is asked for has room for; 0 for those of the longest.</param>
    /// <exception cref="ArgumentException">The lengths do not add up to the ids, or there is no room for them.</exception>
    public static StepBatch Packed(
        Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths, StepBatch? reuse = null, int documents = 0, int longest = 0)
    {
        var step = reuse ?? new StepBatch();
        (step._documents, step._longest) = (documents, longest);
        if (step._spans.Length < lengths.Length)
        {
            step._spans = new SequenceSpan[lengths.Length];
        }

        step._spanCount = lengths.Length;
        int start = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            step._spans[i] = new SequenceSpan(start, lengths[i], 0, i);
            start += lengths[i];
        }

        step.Fill(arena, ids);
        return step;
    }

    /// <summary>One document.</summary>
    public static StepBatch Single(Arena arena, ReadOnlySpan<int> ids) =>
        Packed(arena, ids, [ids.Length]);

    /// <summary>Refuses ids without a row in the token table; a device could not say so.</summary>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    public static void CheckIds(ReadOnlySpan<int> ids, int vocabulary)
    {
        for (int t = 0; t < ids.Length; t++)
        {
            if ((uint)ids[t] >= (uint)vocabulary)
            {
                throw new ArgumentException(
                    $"token {t} has id {ids[t]}, which is outside the vocabulary of {vocabulary} entries", nameof(ids));
            }
        }
    }

    private void Fill(Arena arena, ReadOnlySpan<int> ids)
    {
        CoveredRows = ids.Length;
        Tokens = Math.Max(ids.Length, Extent.Rows);
        if (_ids.Length < Tokens)
        {
            (_ids, _positions) = (new int[Tokens], new int[Tokens]);
        }

        ids.CopyTo(_ids);
        FillPositions(ids.Length);
        if (Extent != default && (Extent.Rows < ids.Length || Extent.Positions < PositionLimit))
        {
            throw new ArgumentException(
                $"a step of {ids.Length} rows up to position {PositionLimit} does not fit {Extent.Rows} rows and {Extent.Positions} positions");
        }

        Ids = Uploaded<int>(arena, _ids.AsSpan(0, Tokens));
        Positions = Uploaded<int>(arena, _positions.AsSpan(0, Tokens));
        FillSegments(arena);
    }

    private void FillPositions(int rows)
    {
        int next = 0;
        int limit = 0;
        foreach (var span in Spans)
        {
            if (span.Start != next || span.Count < 1 || span.Past < 0 || span.Count > rows - next
                || span.Past > int.MaxValue - span.Count)
            {
                throw new ArgumentException($"sequence part at row {span.Start} does not continue at row {next} of {rows}");
            }

            for (int i = 0; i < span.Count; i++)
            {
                _positions[span.Start + i] = span.Past + i;
            }

            next += span.Count;
            limit = Math.Max(limit, span.Past + span.Count);
        }

        if (next != rows)
        {
            throw new ArgumentException($"sequence parts cover {next} of {rows} rows");
        }

        PositionLimit = limit;
    }

    /// <summary>The segments that need no cache; none where a sequence has a past, which only a cache knows.</summary>
    private void FillSegments(Arena arena)
    {
        _deviceSegments = null;
        if (FirstContinued() >= 0 || Extent != default)
        {
            return;
        }

        int count = Math.Max(_spanCount, _documents);
        if (_segments.Length < count)
        {
            _segments = new AttentionSegment[count];
        }

        for (int i = 0; i < _spanCount; i++)
        {
            var span = _spans[i];
            _segments[i] = new AttentionSegment
            {
                QueryStart = span.Start,
                QueryCount = span.Count,
                KeyCount = span.Count,
                KeyStart = span.Start,
            };
        }

        // Segments behind the last have no queries, and no kernel does anything for them.
        _segments.AsSpan(_spanCount, count - _spanCount).Clear();
        var segments = _segments.AsSpan(0, count);
        _bounds = AttentionBounds.Of(segments);
        if (_longest > 0)
        {
            if (_documents < _spanCount || _longest < _bounds.LongestQueries)
            {
                throw new ArgumentException(
                    $"{_spanCount} documents of up to {_bounds.LongestQueries} tokens do not fit {_documents} of {_longest}");
            }

            _bounds = _bounds with { LongestQueries = _longest, LongestKeys = _longest };
        }

        _deviceSegments = Uploaded<AttentionSegment>(arena, segments);
    }

    private int FirstContinued()
    {
        for (int i = 0; i < _spanCount; i++)
        {
            if (_spans[i].Past != 0)
            {
                return i;
            }
        }

        return -1;
    }

    private static T* Uploaded<T>(Arena arena, ReadOnlySpan<T> elements)
        where T : unmanaged
    {
        nint room = arena.Allocate((long)elements.Length * sizeof(T));
        arena.Memory.Upload(elements, room);
        return (T*)room;
    }
}
