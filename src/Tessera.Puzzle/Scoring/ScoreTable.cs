using Tessera.Devices;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs;

namespace Tessera.Puzzle.Scoring;

/// <summary>Replace-one-block scores of all variants of all layers; each is recorded as soon as it is known.</summary>
public sealed class ScoreTable
{
    private readonly Dictionary<(int Layer, string Label), Estimate> _scores = [];

    /// <summary>Computes what the file does not hold yet.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="activations">The parent's states on the scoring batches.</param>
    /// <param name="library">Trained halves.</param>
    /// <param name="variants">Variants of every layer, the parent's own first.</param>
    /// <param name="path">The record.</param>
    /// <param name="onScore">Called after every score.</param>
    public static ScoreTable Compute(
        Device device, ParentActivations activations, BlockLibrary library, IReadOnlyList<IReadOnlyList<BlockVariant>> variants,
        string path, Action onScore)
    {
        var table = new ScoreTable();
        using var record = RecordedTable.Open(path);
        using var scorer = new ReplaceOneScorer(device, activations);
        for (int layer = 0; layer < variants.Count; layer++)
        {
            // The parent's own block replaces itself: its score is zero by definition.
            table._scores[(layer, variants[layer][0].Label)] = default;
            foreach (var variant in variants[layer].Skip(1))
            {
                table._scores[(layer, variant.Label)] = record.GetOrAdd(
                    $"{layer}/{variant.Label}", PuzzleJson.Default.Estimate,
                    () => scorer.Score(layer, library.Layer(layer, variant)));
                onScore();
            }
        }

        return table;
    }

    /// <summary>Score of a variant of a layer, nats a token.</summary>
    public Estimate Score(int layer, BlockVariant variant) => _scores[(layer, variant.Label)];
}
