using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Fusion;

/// <summary>
/// Makes one wide layer of a run: the sum of the run's feed-forwards on one input, f(X) = X + Σ_k FFN_k(X), exactly up to rounding.
/// </summary>
/// <remarks>
/// Gate and up rows of all feed-forwards stand one below the other, down columns side by side, biases of gate and up one behind the
/// other, those of down are added (FFN Fusion, its theorem on SwiGLU). The input's root mean square is common to all, their gains are
/// not: each is multiplied into the columns of its own gate and up rows, and the fused norm has gains of 1. The paper takes the gain
/// of the last feed-forward instead, which changes the others.
/// </remarks>
public static unsafe class LayerFusion
{
    private const int RowsAtOnce = 16;

    /// <summary>The model with every run of two or more layers fused.</summary>
    /// <param name="model">Its feed-forwards in the runs are f32.</param>
    /// <param name="runs">As <see cref="FusionRuns.Check"/> accepts them; a run of one layer stays as it is.</param>
    /// <exception cref="ArgumentException">A run cannot be fused.</exception>
    /// <exception cref="InvalidDataException">A fused layer would be wider than any layer may be.</exception>
    public static FusedModel Fuse(Decoder model, IReadOnlyList<FusionRun> runs)
    {
        FusionRuns.Check(model.Configuration, runs);
        var shapes = new List<LayerConfiguration>();
        var map = new List<int>();
        var real = runs.Where(run => run.Count > 1).ToDictionary(run => run.First);
        for (int layer = 0; layer < model.Layers.Count; layer = map[^1] + 1)
        {
            bool isRun = real.TryGetValue(layer, out var run);
            shapes.Add(isRun ? Shape(model.Configuration, run) : model.Configuration.Layers[layer]);
            map.Add(isRun ? run.Last : layer);
        }

        var configuration = model.Configuration with { Layers = [.. shapes] };
        configuration.Validate("the fused model");
        var arena = new Arena("fused layers", model.Memory);
        try
        {
            var factory = new BlockFactory(configuration, model.Rope, arena, DType.F32);
            var layers = map.Select((last, i) => (First: i == 0 ? 0 : map[i - 1] + 1, Last: last)).Select(
                part => part.First == part.Last ? model.Layers[part.Last] : Layer(model, factory, new FusionRun(part.First, part.Last))).ToList();
            return new FusedModel(model.WithLayers(configuration, layers, arena), map);
        }
        catch
        {
            arena.Dispose();
            throw;
        }
    }

    private static LayerConfiguration Shape(ModelConfiguration model, FusionRun run)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => model.Layers[layer].FeedForward).OfType<SwiGluConfiguration>().ToList();
        long width = parts.Sum(part => (long)part.Width);
        return width <= ConfigurationLimits.FeedForwardWidth
            ? new LayerConfiguration(
                model.Layers[run.First].Mixer, new SwiGluConfiguration((int)width) { HasBias = parts.Any(part => part.HasBias) })
            : throw new InvalidDataException(
                $"run {run}: the fused width would be {width}, expected at most {ConfigurationLimits.FeedForwardWidth}");
    }

    private static DecoderLayer Layer(Decoder model, BlockFactory factory, FusionRun run)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => model.Layers[layer].FeedForward).OfType<SwiGluBlock>().ToList();
        EnsureFloats(parts);
        var fused = (SwiGluBlock)factory.FeedForward(Shape(model.Configuration, run).FeedForward, $"layers.{run}.ffn")!;
        fused.Norm.Write(0, 1, (_, to) => new Span<float>(to.Floats, to.Columns).Fill(1f));
        int start = 0;
        foreach (var part in parts)
        {
            float[] gain = Values(part.Norm);
            FoldRows(part.GateUp, 0, fused.GateUp, start, part.Width, gain);
            FoldRows(part.GateUp, part.Width, fused.GateUp, fused.Width + start, part.Width, gain);
            start += part.Width;
        }

        JoinColumns(parts, fused);
        JoinBiases(parts, fused);
        return new DecoderLayer(model.Layers[run.First].Mixer, fused);
    }

    private static void EnsureFloats(IEnumerable<SwiGluBlock> parts)
    {
        if (parts.SelectMany(part => part.Parameters).FirstOrDefault(parameter => parameter.Type != DType.F32) is { } narrow)
        {
            throw new ArgumentException($"parameter {narrow.Name} is stored in {narrow.Type.Label()}, fusion needs f32");
        }
    }

    /// <summary>target[r, c] = source[r, c] · gain[c].</summary>
    private static void FoldRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows, float[] gain) =>
        source.Read(sourceRow, rows, (row, from) => target.Write(targetRow + row, from.Rows, (inner, to) =>
        {
            for (long r = 0; r < to.Rows; r++)
            {
                float* read = from.Floats + ((inner + r) * from.Columns);
                float* write = to.Floats + (r * to.Columns);
                for (int c = 0; c < gain.Length; c++)
                {
                    write[c] = read[c] * gain[c];
                }
            }
        }));

    /// <summary>The down projections side by side, by way of the host, a few rows at a time.</summary>
    private static void JoinColumns(IReadOnlyList<SwiGluBlock> parts, SwiGluBlock fused)
    {
        int width = fused.Width;
        float[] joined = new float[checked(Math.Min(RowsAtOnce, fused.Down.Rows) * width)];
        for (int row = 0; row < fused.Down.Rows; row += RowsAtOnce)
        {
            int rows = Math.Min(RowsAtOnce, fused.Down.Rows - row), start = 0;
            foreach (var part in parts)
            {
                int column = start;
                part.Down.Read(row, rows, (before, from) =>
                {
                    for (int r = 0; r < from.Rows; r++)
                    {
                        new ReadOnlySpan<float>(from.Floats + ((long)r * from.Columns), from.Columns)
                            .CopyTo(joined.AsSpan(((before + r) * width) + column));
                    }
                });
                start += part.Width;
            }

            fused.Down.Write(row, rows, (before, to) =>
                joined.AsSpan(before * width, to.Rows * width).CopyTo(new Span<float>(to.Floats, to.Rows * width)));
        }
    }

    /// <summary>Biases of gate and up one behind the other, zeros where a part has none; those of down added.</summary>
    private static void JoinBiases(IReadOnlyList<SwiGluBlock> parts, SwiGluBlock fused)
    {
        if (fused.GateUpBias is null || fused.DownBias is null)
        {
            return;
        }

        float[] gateUp = new float[2 * fused.Width], down = new float[fused.DownBias.Rows];
        int start = 0;
        foreach (var part in parts)
        {
            if (part is { GateUpBias: { } bias, DownBias: { } offset })
            {
                float[] values = Values(bias);
                values.AsSpan(0, part.Width).CopyTo(gateUp.AsSpan(start));
                values.AsSpan(part.Width).CopyTo(gateUp.AsSpan(fused.Width + start));
                foreach (var (i, value) in Values(offset).Index())
                {
                    down[i] += value;
                }
            }

            start += part.Width;
        }

        Store(gateUp, fused.GateUpBias);
        Store(down, fused.DownBias);
    }

    /// <summary>A gain or bias on the host.</summary>
    private static float[] Values(Parameter vector)
    {
        float[] values = new float[vector.Count];
        vector.ReadWhole(from => new ReadOnlySpan<float>(from.Floats, values.Length).CopyTo(values));
        return values;
    }

    private static void Store(float[] values, Parameter vector) => vector.Write(0, vector.Rows, (before, to) =>
        values.AsSpan(before * to.Columns, to.Rows * to.Columns).CopyTo(new Span<float>(to.Floats, to.Rows * to.Columns)));
}
