using Tessera.Devices;

namespace Tessera.Alignment.Curriculum;

/// <summary>One batch of a plan.</summary>
/// <param name="Step">Number, from 0.</param>
/// <param name="Centre">μ, the pass rate aimed at; null in random order.</param>
/// <param name="MeanRate">Mean pass rate of what the supply gave.</param>
/// <param name="Prompts">The prompts in order.</param>
public sealed record PlannedBatch(int Step, double? Centre, double MeanRate, IReadOnlyList<PassRate> Prompts);

/// <summary>Settings of the Gaussian curriculum.</summary>
/// <remarks>The paper gives the Gaussian and its direction, neither its width nor the path of its centre: both are ours.</remarks>
public sealed record CurriculumSettings
{
    /// <summary>Prompts of a batch.</summary>
    public required int BatchPrompts { get; init; }

    /// <summary>Batches.</summary>
    public required int Steps { get; init; }

    /// <summary>μ of the first batch; null for the largest rate below the ceiling.</summary>
    public double? Easiest { get; init; }

    /// <summary>μ of the last batch.</summary>
    public double Hardest { get; init; }

    /// <summary>σ, in units of the pass rate.</summary>
    public double Width { get; init; } = 0.125;

    /// <summary>Prompts solved at least this often are left out.</summary>
    public double Ceiling { get; init; } = PassRate.DefaultCeiling;

    /// <summary>Most batches that a prompt may be part of.</summary>
    public int Uses { get; init; } = 1;

    /// <summary>Seed of all orders.</summary>
    public ulong Seed { get; init; }
}

/// <summary>
/// The order in which prompts are used, planned before the first step: from easy to hard along a Gaussian over pass rates, or
/// random as the control.
/// </summary>
/// <remarks>
/// μ_t falls in a straight line; the quota of the bin with rate p is the largest-remainder rounding of
/// B·exp(−(p − μ_t)²/2σ²) / Σ, limited by what is left; open places are filled one by one from the bin with the most left; the
/// batch is shuffled. Source: Bercovich et al. 2025 (Llama-Nemotron), section 5.
/// A skewed supply pulls the batches towards it: compare <see cref="PlannedBatch.MeanRate"/> with <see cref="PlannedBatch.Centre"/>.
/// </remarks>
public static class CurriculumPlan
{
    // Streams of random numbers: bins take the small numbers, batches those from here on.
    private const ulong BatchStreams = 1UL << 32;
    private const ulong RandomOrderStream = 1UL << 33;

    /// <summary>Plans all batches from easy to hard.</summary>
    /// <exception cref="ArgumentException">The supply is too small, or rates do not have the same number of samples.</exception>
    public static IReadOnlyList<PlannedBatch> Gaussian(IReadOnlyList<PassRate> rates, CurriculumSettings settings)
    {
        var kept = Supply(rates, settings);
        int samples = kept[0].Samples;
        if (samples == 0)
        {
            throw new ArgumentException("the Gaussian curriculum needs pass rates; only the random order does without");
        }

        if (kept.FirstOrDefault(rate => rate.Samples != samples) is { } other)
        {
            throw new ArgumentException(
                $"pass rates: prompt {other.Id} has {other.Samples} samples, {kept[0].Id} has {samples}; expected the same number for all");
        }

        int bins = Enumerable.Range(0, samples + 1).Count(k => (double)k / samples < settings.Ceiling);
        var pools = new Queue<PassRate>[bins];
        for (int k = 0; k < bins; k++)
        {
            pools[k] = Pool([.. kept.Where(rate => rate.Correct == k)], settings, (ulong)k);
        }

        double easiest = settings.Easiest ?? (double)(bins - 1) / samples;
        var batches = new List<PlannedBatch>(settings.Steps);
        for (int t = 0; t < settings.Steps; t++)
        {
            double share = settings.Steps == 1 ? 0 : (double)t / (settings.Steps - 1);
            double centre = easiest - ((easiest - settings.Hardest) * share);
            int[] quotas = Quotas([.. Enumerable.Range(0, bins).Select(k => (double)k / samples)], centre, settings.Width, settings.BatchPrompts);
            batches.Add(Batch(t, centre, Take(pools, quotas, settings.BatchPrompts), settings.Seed));
        }

        return batches;
    }

    /// <summary>The control: the same supply in random order.</summary>
    /// <exception cref="ArgumentException">The supply is too small.</exception>
    public static IReadOnlyList<PlannedBatch> Random(IReadOnlyList<PassRate> rates, CurriculumSettings settings)
    {
        var pool = Pool(Supply(rates, settings), settings, RandomOrderStream);
        return
        [
            .. Enumerable.Range(0, settings.Steps).Select(
                t => Batch(t, null, Take([pool], [settings.BatchPrompts], settings.BatchPrompts), settings.Seed)),
        ];
    }

    /// <summary>Largest-remainder rounding of total·g_k/Σg with g_k = exp(−(p_k − centre)²/2·width²); ties go to the first bin.</summary>
    public static int[] Quotas(ReadOnlySpan<double> rates, double centre, double width, int total)
    {
        var exact = new double[rates.Length];
        double sum = 0;
        for (int k = 0; k < exact.Length; k++)
        {
            double distance = (rates[k] - centre) / width;
            exact[k] = Math.Exp(-0.5 * distance * distance);
            sum += exact[k];
        }

        var quotas = new int[exact.Length];
        for (int k = 0; k < exact.Length; k++)
        {
            exact[k] *= total / sum;
            quotas[k] = (int)exact[k];
        }

        int left = total - quotas.Sum();
        foreach (int k in Enumerable.Range(0, exact.Length).OrderByDescending(k => exact[k] - quotas[k]).Take(left).ToArray())
        {
            quotas[k]++;
        }

        return quotas;
    }

    private static List<PassRate> Supply(IReadOnlyList<PassRate> rates, CurriculumSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.BatchPrompts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Uses, 1);
        var kept = PassRate.Below(rates, settings.Ceiling);
        long needed = (long)settings.Steps * settings.BatchPrompts, supply = (long)kept.Count * settings.Uses;
        return needed <= supply
            ? kept
            : throw new ArgumentException(
                $"the curriculum needs {needed} prompts ({settings.Steps} steps of {settings.BatchPrompts}); {kept.Count} of {rates.Count} "
                + $"prompts have a pass rate below {settings.Ceiling} and may be used {settings.Uses} time(s): {supply}; plan fewer steps, or give more prompts or uses");
    }

    // Every use of the supply is a shuffle of its own; all prompts are used once before one is used again.
    private static Queue<PassRate> Pool(List<PassRate> prompts, CurriculumSettings settings, ulong stream)
    {
        var pool = new Queue<PassRate>();
        var random = new CounterRandom(settings.Seed, stream);
        for (int use = 0; use < settings.Uses; use++)
        {
            PassRate[] order = [.. prompts];
            Shuffle(order, ref random);
            Array.ForEach(order, pool.Enqueue);
        }

        return pool;
    }

    private static List<PassRate> Take(Queue<PassRate>[] pools, int[] quotas, int total)
    {
        var taken = new List<PassRate>(total);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int k = 0; k < pools.Length; k++)
        {
            TakeFrom(pools[k], quotas[k], taken, names);
        }

        foreach (var pool in pools.OrderByDescending(pool => pool.Count).ToArray())
        {
            TakeFrom(pool, total - taken.Count, taken, names);
        }

        // Fewer different prompts are left than a batch has: some come twice.
        while (taken.Count < total)
        {
            taken.Add(pools.MaxBy(pool => pool.Count)!.Dequeue());
        }

        return taken;
    }

    /// <summary>Takes up to so many prompts that the batch does not have yet; those it has go back to the end.</summary>
    private static void TakeFrom(Queue<PassRate> pool, int count, List<PassRate> taken, HashSet<string> names)
    {
        for (int tries = pool.Count; tries > 0 && count > 0; tries--)
        {
            var prompt = pool.Dequeue();
            if (names.Add(prompt.Id))
            {
                taken.Add(prompt);
                count--;
            }
            else
            {
                pool.Enqueue(prompt);
            }
        }
    }

    private static PlannedBatch Batch(int step, double? centre, List<PassRate> prompts, ulong seed)
    {
        PassRate[] order = [.. prompts];
        var random = new CounterRandom(seed, BatchStreams + (ulong)step);
        Shuffle(order, ref random);
        return new PlannedBatch(step, centre, order.Average(prompt => prompt.Rate), order);
    }

    private static void Shuffle(PassRate[] items, ref CounterRandom random)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
