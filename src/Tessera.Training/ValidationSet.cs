using Tessera.Training.Data;

namespace Tessera.Training;

/// <summary>Held-out batches with a name, beside the run's own.</summary>
/// <param name="Name">Its figures are called <c>validation.LOSS@NAME</c>.</param>
/// <param name="Batches">Neither trained nor tuned on.</param>
public sealed record ValidationSet(string Name, IReadOnlyList<PackedBatch> Batches);
