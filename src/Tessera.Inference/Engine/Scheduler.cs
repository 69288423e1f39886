namespace Tessera.Inference.Engine;

/// <summary>A sequence as the scheduler sees it: numbers only.</summary>
/// <param name="id">Its number.</param>
/// <param name="tokens">Tokens of its prompt.</param>
public sealed class ScheduledSequence(long id, int tokens)
{
    private readonly List<int> _pages = [];

    /// <summary>Its number.</summary>
    public long Id => id;

    /// <summary>Tokens it has: prompt and chosen ones.</summary>
    public int Tokens { get; private set; } = tokens;

    /// <summary>Tokens whose keys and values are stored.</summary>
    public int Computed { get; private set; }

    /// <summary>Its place in the cache while it runs, else −1.</summary>
    public int Slot { get; internal set; } = -1;

    /// <summary>Its pages, in order of positions.</summary>
    public IReadOnlyList<int> Pages => _pages;

    internal void Take(int page) => _pages.Add(page);

    internal void Advance(int count) => Computed += count;

    internal void Grow() => Tokens++;

    internal IEnumerable<int> Drop()
    {
        // The last page first, so that the first one is the next to be handed out.
        int[] pages = [.. Enumerable.Reverse(_pages)];
        _pages.Clear();
        Computed = 0;
        Slot = -1;
        return pages;
    }
}

/// <summary>A sequence's part in a step.</summary>
/// <param name="Sequence">The sequence.</param>
/// <param name="Count">Tokens to feed, from <c>Sequence.Computed</c> on.</param>
/// <param name="NewPages">Pages it was given for them.</param>
public readonly record struct StepPart(ScheduledSequence Sequence, int Count, IReadOnlyList<int> NewPages)
{
    /// <summary>Whether the step feeds its last token, so that the next one is chosen.</summary>
    public bool Chooses => Sequence.Computed + Count == Sequence.Tokens;
}

/// <summary>
/// Decides which tokens of which sequences go into the next step. It computes with numbers only: no device, no model, no clock.
/// </summary>
/// <remarks>
/// There is no prefill and no decode phase: a sequence has tokens, of which some are computed, and a step has a budget. Running
/// sequences come first, in order of arrival; where pages run out, the last of them gives its own back and waits at the head of
/// the queue to be computed again. Then waiting ones are admitted, first come first served, unless the step has preempted.
/// Invariants: the parts sum to at most the budget; free pages and held pages sum to the total; a sequence that alone fits all
/// pages always ends, because the first running one can take the pages of all others.
/// Source: the scheduler of vLLM 1 (Kwon et al. 2023), without its prefix cache.
/// </remarks>
public sealed class Scheduler
{
    private readonly int _maxRunning;
    private readonly int _stepTokens;
    private readonly int _chunkTokens;
    private readonly int _pagePositions;
    private readonly List<ScheduledSequence> _running = [];
    private readonly LinkedList<ScheduledSequence> _waiting = [];
    private readonly Stack<int> _freePages = [];
    private readonly Stack<int> _freeSlots = [];

    /// <summary>A scheduler with all pages free.</summary>
    /// <param name="maxRunning">Most sequences in a step.</param>
    /// <param name="stepTokens">Most tokens of a step.</param>
    /// <param name="chunkTokens">Most tokens of a sequence in a step.</param>
    /// <param name="pages">Pages there are.</param>
    /// <param name="pagePositions">Positions of a page.</param>
    public Scheduler(int maxRunning, int stepTokens, int chunkTokens, int pages, int pagePositions)
    {
        _maxRunning = maxRunning;
        _stepTokens = stepTokens;
        _chunkTokens = chunkTokens;
        _pagePositions = pagePositions;
        TotalPages = pages;
        for (int page = pages - 1; page >= 0; page--)
        {
            _freePages.Push(page);
        }

        for (int slot = maxRunning - 1; slot >= 0; slot--)
        {
            _freeSlots.Push(slot);
        }
    }

    /// <summary>Sequences that hold pages.</summary>
    public IReadOnlyList<ScheduledSequence> Running => _running;

    /// <summary>Sequences that wait.</summary>
    public IReadOnlyCollection<ScheduledSequence> Waiting => _waiting;

    /// <summary>All pages.</summary>
    public int TotalPages { get; }

    /// <summary>Pages that nobody holds.</summary>
    public int FreePages => _freePages.Count;

    /// <summary>Times a sequence gave its pages to another.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Puts a sequence at the end of the queue.</summary>
    public void Add(ScheduledSequence sequence) => _waiting.AddLast(sequence);

    /// <summary>Takes a sequence out, wherever it is, and frees its pages.</summary>
    public void Remove(ScheduledSequence sequence)
    {
        if (_running.Remove(sequence))
        {
            Release(sequence);
        }
        else
        {
            _waiting.Remove(sequence);
        }
    }

    /// <summary>Says that the sequence has one more token.</summary>
    public static void Grow(ScheduledSequence sequence) => sequence.Grow();

    /// <summary>The next step's parts; empty where there is nothing to do.</summary>
    public List<StepPart> Plan()
    {
        var parts = new List<StepPart>();
        int budget = _stepTokens;
        bool preempted = false;
        for (int i = 0; i < _running.Count && budget > 0; i++)
        {
            var sequence = _running[i];
            int count = Wanted(sequence, budget);
            while (!HasPages(sequence, count) && i < _running.Count)
            {
                preempted = true;
                Preempt(_running[^1]);
            }

            if (i == _running.Count)
            {
                // It was the last one itself: nobody else could give pages.
                break;
            }

            parts.Add(new StepPart(sequence, count, TakePages(sequence, count)));
            budget -= count;
        }

        while (!preempted && budget > 0 && _running.Count < _maxRunning && _waiting.First is { } first)
        {
            var sequence = first.Value;
            int count = Wanted(sequence, budget);
            if (!HasPages(sequence, count))
            {
                break;
            }

            _waiting.RemoveFirst();
            _running.Add(sequence);
            sequence.Slot = _freeSlots.Pop();
            parts.Add(new StepPart(sequence, count, TakePages(sequence, count)));
            budget -= count;
        }

        return parts;
    }

    /// <summary>Says that the step has run.</summary>
    public static void Complete(IReadOnlyList<StepPart> parts)
    {
        foreach (var part in parts)
        {
            part.Sequence.Advance(part.Count);
        }
    }

    private int Wanted(ScheduledSequence sequence, int budget) =>
        Math.Min(Math.Min(sequence.Tokens - sequence.Computed, budget), _chunkTokens);

    private int Missing(ScheduledSequence sequence, int count) =>
        Math.Max(0, ((sequence.Computed + count + _pagePositions - 1) / _pagePositions) - sequence.Pages.Count);

    private bool HasPages(ScheduledSequence sequence, int count) => Missing(sequence, count) <= _freePages.Count;

    private int[] TakePages(ScheduledSequence sequence, int count)
    {
        int[] pages = new int[Missing(sequence, count)];
        for (int i = 0; i < pages.Length; i++)
        {
            pages[i] = _freePages.Pop();
            sequence.Take(pages[i]);
        }

        return pages;
    }

    private void Preempt(ScheduledSequence sequence)
    {
        _running.RemoveAt(_running.Count - 1);
        Release(sequence);
        _waiting.AddFirst(sequence);
        Preemptions++;
    }

    private void Release(ScheduledSequence sequence)
    {
        _freeSlots.Push(sequence.Slot);
        foreach (int page in sequence.Drop())
        {
            _freePages.Push(page);
        }
    }
}
