namespace Tessera.Puzzle.Compression;

/// <summary>How long a stage took.</summary>
/// <param name="Stage">measure, library, scores, select, pairs, rescore, search, realise, loads, fuse or heal; a name may come more than once.</param>
/// <param name="Seconds">By the clock, of the attempt that completed it.</param>
/// <param name="Jobs">Jobs of the stage whose times are known, of all processes and attempts; 0 where it has none.</param>
/// <param name="JobSeconds">Their times together.</param>
/// <param name="PeakBytes">The most that the completing process held in device memory until the stage's end.</param>
public sealed record StageTime(string Stage, double Seconds, int Jobs, double JobSeconds, long PeakBytes);
