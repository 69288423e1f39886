using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>A mean over documents with its standard error.</summary>
/// <param name="Mean">Mean.</param>
/// <param name="StandardError">Of the mean, from the spread between documents.</param>
/// <param name="Documents">Documents.</param>
public readonly record struct Estimate(double Mean, double StandardError, int Documents);

/// <summary>
/// KL(parent ‖ child) of the next-token distributions, averaged over tokens: of the parent with one layer replaced (Puzzle
/// section 3.1), or of any child.
/// </summary>
/// <remarks>Only the layers from the replaced one on are run: the parent's states in front of it are cached.</remarks>
public sealed unsafe class ReplaceOneScorer(Device device, ParentActivations activations) : IDisposable
{
    private readonly Arena _arena = device.CreateArena("scoring");

    /// <summary>Score of the parent with layer <paramref name="layer"/> replaced.</summary>
    public Estimate Score(int layer, DecoderLayer replacement)
    {
        var parent = activations.Parent;
        var layers = parent.Layers.ToArray();
        layers[layer] = replacement;
        return Score(parent.WithLayers(parent.Configuration, layers), layer);
    }

    /// <summary>Score of a whole child whose layers below <paramref name="firstDifference"/> are the parent's.</summary>
    public Estimate Score(Decoder child, int firstDifference)
    {
        var documents = new List<(double Loss, double Weight)>();
        foreach (var batch in activations.Batches)
        {
            _arena.Reset();
            var executor = new Executor(device, _arena, null);
            var hidden = child.Continue(executor, batch.Step, batch.States[firstDifference], firstDifference);
            AddDocuments(batch, hidden, child.Head, documents);
        }

        return Summarise(documents);
    }

    /// <summary>Score of a child with an embedding of its own, run from the tokens on.</summary>
    public Estimate ScoreFromTokens(Decoder child)
    {
        var documents = new List<(double Loss, double Weight)>();
        foreach (var batch in activations.Batches)
        {
            _arena.Reset();
            var hidden = child.Forward(new Executor(device, _arena, null), batch.Step);
            AddDocuments(batch, hidden, child.Head, documents);
        }

        return Summarise(documents);
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private void AddDocuments(CalibrationBatch batch, Tensor hidden, Parameter head, List<(double Loss, double Weight)> documents)
    {
        int tokens = hidden.Rows;
        float[] weights = batch.Batch.Weights, losses = new float[tokens];
        float* deviceWeights = _arena.Floats(tokens);
        float* deviceLosses = _arena.Floats(tokens);
        device.Upload<float>(weights, (nint)deviceWeights);
        LinearKl.Run(
            device, hidden.Data, head.View, batch.Final.Data, activations.Parent.Head.View, deviceWeights, 1f, deviceLosses, default,
            false, default, tokens, hidden.Columns, batch.Final.Columns, head.Rows, 1f);
        device.Download<float>((nint)deviceLosses, losses);
        foreach (var span in batch.Step.Spans)
        {
            double loss = 0, weight = 0;
            for (int i = span.Start; i < span.Start + span.Count; i++)
            {
                loss += (double)weights[i] * losses[i];
                weight += weights[i];
            }

            if (weight > 0)
            {
                documents.Add((loss, weight));
            }
        }
    }

    /// <summary>Ratio of sums (a token counts the same in a short and a long document) and its linearised standard error.</summary>
    private static Estimate Summarise(List<(double Loss, double Weight)> documents)
    {
        double loss = documents.Sum(document => document.Loss);
        double weight = documents.Sum(document => document.Weight);
        double mean = loss / weight;
        double squares = documents.Sum(document => Math.Pow(document.Loss - (mean * document.Weight), 2));
        int n = documents.Count;
        double error = n < 2 ? 0 : Math.Sqrt(squares * n / (n - 1.0)) / weight;
        return new Estimate(mean, error, n);
    }
}
