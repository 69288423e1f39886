using Tessera.Devices;
using Tessera.Inference.Engine;

namespace Tessera.Inference.Tests;

/// <summary>The scheduler against a model that only counts: whatever arrives when, its invariants hold after every step.</summary>
public sealed class SchedulerTests
{
    private const int PagePositions = 4;

    [Fact]
    public void Long_prompts_enter_in_chunks_beside_sequences_that_go_on()
    {
        var scheduler = new Scheduler(4, 10, 6, 20, PagePositions);
        var decoding = new ScheduledSequence(0, 1);
        scheduler.Add(decoding);
        Run(scheduler, scheduler.Plan());
        scheduler.Add(new ScheduledSequence(1, 15));
        var counts = new List<int[]>();
        for (int i = 0; i < 3; i++)
        {
            var parts = scheduler.Plan();
            counts.Add([.. parts.Select(part => part.Count)]);
            Run(scheduler, parts);
        }

        Assert.Equal([[1, 6], [1, 6], [1, 3]], counts);
    }

    [Fact]
    public void The_last_sequence_gives_its_pages_and_waits_at_the_head_of_the_queue()
    {
        var scheduler = new Scheduler(4, 100, 100, 4, PagePositions);
        var first = new ScheduledSequence(0, 8);
        var second = new ScheduledSequence(1, 8);
        scheduler.Add(first);
        scheduler.Add(second);
        Run(scheduler, scheduler.Plan());
        scheduler.Add(new ScheduledSequence(2, 1));
        var parts = scheduler.Plan();

        Assert.Equal([first], parts.Select(part => part.Sequence));
        Assert.Equal([second.Id, 2], scheduler.Waiting.Select(sequence => sequence.Id));
        Assert.Equal((0, -1, 0), (second.Computed, second.Slot, second.Pages.Count));
        Assert.Equal(1, scheduler.Preemptions);
    }

    [Fact]
    public void A_sequence_that_waits_can_be_removed_as_well_as_one_that_runs()
    {
        var scheduler = new Scheduler(1, 8, 8, 4, PagePositions);
        var running = new ScheduledSequence(0, 5);
        var waiting = new ScheduledSequence(1, 5);
        scheduler.Add(running);
        scheduler.Add(waiting);
        Run(scheduler, scheduler.Plan());
        Assert.Equal(2, scheduler.FreePages);
        scheduler.Remove(waiting);
        scheduler.Remove(running);
        Assert.Equal(4, scheduler.FreePages);
        Assert.Empty(scheduler.Plan());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Every_sequence_ends_and_every_page_is_accounted_for(ulong seed)
    {
        var random = new CounterRandom(seed, 1);
        for (int round = 0; round < 40; round++)
        {
            Simulate(ref random);
        }
    }

    private static void Simulate(ref CounterRandom random)
    {
        int pages = random.Next(4, 24), budget = random.Next(1, 20), maxRunning = random.Next(1, 6);
        var scheduler = new Scheduler(maxRunning, budget, random.Next(1, 16), pages, PagePositions);
        int longest = pages * PagePositions;
        var ends = new Dictionary<ScheduledSequence, int>();
        int arrivals = random.Next(1, 12);
        int steps = 0;
        for (long id = 0; arrivals > 0 || ends.Count > 0; steps++)
        {
            Assert.True(steps < 20_000, "a sequence starves");
            if (arrivals > 0 && random.Next(3) == 0)
            {
                arrivals--;
                int prompt = random.Next(1, longest);
                var sequence = new ScheduledSequence(id++, prompt);
                ends.Add(sequence, random.Next(prompt, longest) + 1);
                scheduler.Add(sequence);
            }

            if (ends.Count > 0 && random.Next(30) == 0)
            {
                var victim = ends.Keys.ElementAt(random.Next(ends.Count));
                scheduler.Remove(victim);
                ends.Remove(victim);
            }

            var parts = scheduler.Plan();
            Check(scheduler, parts, budget, maxRunning);
            Scheduler.Complete(parts);
            foreach (var part in parts.Where(part => part.Sequence.Computed == part.Sequence.Tokens))
            {
                if (part.Sequence.Tokens + 1 >= ends[part.Sequence])
                {
                    scheduler.Remove(part.Sequence);
                    ends.Remove(part.Sequence);
                }
                else
                {
                    Scheduler.Grow(part.Sequence);
                }
            }
        }

        Assert.Equal(pages, scheduler.FreePages);
        Assert.Empty(scheduler.Running);
        Assert.Empty(scheduler.Waiting);
    }

    private static void Check(Scheduler scheduler, List<StepPart> parts, int budget, int maxRunning)
    {
        Assert.InRange(parts.Sum(part => part.Count), 0, budget);
        Assert.True(scheduler.Running.Count <= maxRunning);
        Assert.True(parts.Count > 0 || scheduler.Running.Count + scheduler.Waiting.Count == 0, "nothing is scheduled though there is work");
        int[] held = [.. scheduler.Running.SelectMany(sequence => sequence.Pages)];
        Assert.Equal(held.Length, held.Distinct().Count());
        Assert.Equal(scheduler.TotalPages, held.Length + scheduler.FreePages);
        Assert.Equal(scheduler.Running.Count, scheduler.Running.Select(sequence => sequence.Slot).Distinct().Count());
        foreach (var (sequence, count, _) in parts)
        {
            Assert.InRange(count, 1, sequence.Tokens - sequence.Computed);
            Assert.True(sequence.Pages.Count * PagePositions >= sequence.Computed + count);
            Assert.Contains(sequence, scheduler.Running);
        }

        Assert.All(scheduler.Waiting, sequence => Assert.Equal((0, 0, -1), (sequence.Computed, sequence.Pages.Count, sequence.Slot)));
    }

    private static void Run(Scheduler scheduler, List<StepPart> parts)
    {
        Assert.NotEmpty(parts);
        Assert.Equal(scheduler.TotalPages, scheduler.FreePages + scheduler.Running.Sum(sequence => sequence.Pages.Count));
        Scheduler.Complete(parts);
        foreach (var part in parts.Where(part => part.Sequence.Computed == part.Sequence.Tokens))
        {
            Scheduler.Grow(part.Sequence);
        }
    }
}
