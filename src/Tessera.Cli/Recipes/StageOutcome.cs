using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>What became of a stage.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Manifest">Its provenance.</param>
/// <param name="Seconds">Time of this start, 0 if it was skipped.</param>
/// <param name="Skipped">Whether it was complete before.</param>
/// <param name="Code">Exit code of its verb.</param>
internal sealed record StageOutcome(PlannedStage Stage, RunManifest Manifest, double Seconds, bool Skipped, int Code);
