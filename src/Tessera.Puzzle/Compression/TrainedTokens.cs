using Tessera.Runs;

namespace Tessera.Puzzle.Compression;

/// <summary>How many tokens a run's steps have seen, from its metrics: a batch of whole documents is seldom quite full.</summary>
internal static class TrainedTokens
{
    /// <summary>Input tokens of the steps behind one, up to another; the file has a row for every step.</summary>
    public static long Count(string metrics, int after, int until) => MetricsWriter.Read(metrics)
        .Where(row => row.Step > after && row.Step <= until && row.Values.ContainsKey("tokens")).Sum(row => (long)row.Values["tokens"]);
}
