namespace Tessera.Puzzle.Planning;

/// <summary>What a stage will take, before it is started.</summary>
/// <param name="Name">The stage.</param>
/// <param name="Operations">Floating-point operations of its products, two a multiply-add.</param>
/// <param name="Seconds">Time on the machine that is planned for.</param>
/// <param name="MemoryBytes">The most that it holds at once: weights, states, gradients.</param>
/// <param name="DiskBytes">What it leaves in the run's folder.</param>
/// <param name="Work">What it does, with counts, for people.</param>
public sealed record StageEstimate(string Name, double Operations, double Seconds, double MemoryBytes, double DiskBytes, string Work);
