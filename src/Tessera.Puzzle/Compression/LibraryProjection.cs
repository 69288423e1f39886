using Tessera.Puzzle.Library;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// How long the library would take if the variants of all layers were trained, from the jobs of those that were: jobs of one half are
/// alike over the layers.
/// </summary>
/// <remarks>
/// With t_l the time of a trained layer's jobs, mean t̄ and deviation s of n of them, of N layers:
/// Σ t_l + (N − n)·t̄, with a standard error s·√((N − n)²/n + (N − n)): that of the mean and of the layers that were not timed.
/// The first layer that a process trains also compiles and tries kernels. Where three others are left it counts once, as it is, and is
/// in neither mean nor deviation. To this come the parent's passage and the order of channels, which every layer has.
/// </remarks>
/// <param name="Layers">N.</param>
/// <param name="TimedLayers">Layers behind the mean.</param>
/// <param name="SecondsPerLayer">t̄.</param>
/// <param name="Seconds">The whole library on one device.</param>
/// <param name="StandardError">Of <paramref name="Seconds"/>.</param>
public sealed record LibraryProjection(int Layers, int TimedLayers, double SecondsPerLayer, double Seconds, double StandardError)
{
    private const int LeastWithoutFirst = 3;

    /// <summary>The projection, or null where fewer than two trained layers are timed as a whole.</summary>
    /// <param name="halves">All halves of the library.</param>
    /// <param name="settings">Which layers are trained.</param>
    /// <param name="times">Times of the library's jobs, each process's in order.</param>
    /// <param name="layers">Layers of the parent.</param>
    public static LibraryProjection? Of(
        IEnumerable<LibraryHalf> halves, BlockDistillationSettings settings, IReadOnlyList<JobTime> times, int layers)
    {
        var byJob = times.ToDictionary(time => time.Job, StringComparer.Ordinal);
        var all = halves.ToList();
        var trained = all.GroupBy(half => half.Layer)
            .Where(layer => settings.Trains(layer.Key) && layer.All(half => byJob.ContainsKey(half.Job)))
            .ToDictionary(layer => layer.Key, layer => layer.Sum(half => byJob[half.Job].Seconds));
        var halfOf = all.ToDictionary(half => half.Job, StringComparer.Ordinal);
        var first = times.Where(time => halfOf.TryGetValue(time.Job, out var half) && settings.Trains(half.Layer))
            .GroupBy(time => time.Owner).Select(owner => halfOf[owner.First().Job].Layer).ToHashSet();
        double[] timed = [.. trained.Where(layer => !first.Contains(layer.Key)).Select(layer => layer.Value)];
        timed = timed.Length >= LeastWithoutFirst ? timed : [.. trained.Values];
        if (timed.Length < 2)
        {
            return null;
        }

        double mean = timed.Average(), variance = timed.Sum(time => (time - mean) * (time - mean)) / (timed.Length - 1);
        double open = layers - trained.Count;
        double shared = times.Where(time => !halfOf.ContainsKey(time.Job)).Sum(time => time.Seconds);
        return new LibraryProjection(
            layers, timed.Length, mean, shared + trained.Values.Sum() + (open * mean),
            Math.Sqrt(variance * ((open * open / timed.Length) + open)));
    }
}
