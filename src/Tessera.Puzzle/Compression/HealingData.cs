using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Compression;

/// <summary>Data of a healing beyond the usual documents.</summary>
public sealed record HealingData
{
    /// <summary>Documents of a phase, by its number and its length; a source of its own for each. Needed for a schedule of lengths.</summary>
    public Func<int, int, IDocumentSource>? PhaseDocuments { get; init; }

    /// <summary>Held-out batches of documents up to a length. Needed for a schedule of lengths and for a test length.</summary>
    public Func<int, IReadOnlyList<PackedBatch>>? HeldOut { get; init; }

    /// <summary>Task accuracy of the child in f32 at every validation, or null.</summary>
    public Func<Decoder, AccuracyResult>? Accuracy { get; init; }

    /// <summary>What continued pre-training reads, or null.</summary>
    public PretrainingData? Pretraining { get; init; }
}

/// <summary>Data of continued pre-training.</summary>
/// <param name="Documents">What is trained on.</param>
/// <param name="HeldOut">Batches that are not.</param>
/// <param name="Hash">Hash of the data and of how it is drawn.</param>
public sealed record PretrainingData(IDocumentSource Documents, IReadOnlyList<PackedBatch> HeldOut, string Hash);
