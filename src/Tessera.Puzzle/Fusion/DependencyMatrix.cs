using System.Globalization;
using System.Text.Json.Serialization;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Fusion;

/// <summary>
/// How much layers need each other: M_ij = 1 − cos(h_j, h_j without layer i), averaged over tokens, with h_j = f_j(X) − X what layer j
/// adds to the residual stream (FFN Fusion, section on detection). Where M_ij is small, j may run beside i.
/// </summary>
public sealed record DependencyMatrix
{
    /// <summary>Documents it was measured on.</summary>
    public required long Documents { get; init; }

    /// <summary>Tokens that every value is the mean of.</summary>
    public required long Tokens { get; init; }

    /// <summary>M_ij by row i (the layer taken away) and column j; null where j ≤ i, and where layer j is empty and adds nothing.</summary>
    public required IReadOnlyList<IReadOnlyList<double?>> Values { get; init; }

    /// <summary>Layers of the model.</summary>
    [JsonIgnore]
    public int Layers => Values.Count;

    /// <summary>M_ij, NaN where it is not defined.</summary>
    public double this[int removed, int layer] => Values[removed][layer] ?? double.NaN;

    /// <summary>The largest dependency of a layer on any of those before it.</summary>
    public double Largest(IEnumerable<int> removed, int layer) => removed.Max(i => this[i, layer]);

    /// <summary>The heat map of a report.</summary>
    public HeatMap ToFigure()
    {
        var values = new double[Layers, Layers];
        for (int i = 0; i < Layers; i++)
        {
            for (int j = 0; j < Layers; j++)
            {
                values[i, j] = this[i, j];
            }
        }

        return new HeatMap
        {
            Title = "Dependency of layers",
            ValueLabel = "1 − cos of a layer's contribution with and without an earlier layer",
            Rows = [.. Enumerable.Range(0, Layers).Select(i => $"without {i}")],
            Columns = [.. Enumerable.Range(0, Layers).Select(j => j.ToString(CultureInfo.InvariantCulture))],
            Values = values,
            Format = "0.000",
        };
    }
}
