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
    /// <summary>The model with every run of two or more layers fused.</summary>
    /// <param name="model">Its feed-forwards in the runs are f32.</param>
    /// <param name="runs">As <see cref="FusionRuns.Check"/> accepts them; a run of one layer stays as it is.</param>
    /// <exception cref="ArgumentException">A run cannot be fused.</exception>
    /// <param name="wholeBlocks">Whether the run's attentions become one as well; else only its first layer may have one.</param>
    /// <exception cref="InvalidDataException">A fused layer would be wider than any layer may be.</exception>
    public static FusedModel Fuse(Decoder model, IReadOnlyList<FusionRun> runs, bool wholeBlocks = false)
    {
        FusionRuns.Check(model.Configuration, runs, wholeBlocks);
        var shapes = new List<LayerConfiguration>();
        var map = new List<int>();
        var real = runs.Where(run => run.Count > 1).ToDictionary(run => run.First);
        for (int layer = 0; layer < model.Layers.Count; layer = map[^1] + 1)
        {
            bool isRun = real.TryGetValue(layer, out var run);
            shapes.Add(isRun ? Shape(model.Configuration, run, wholeBlocks) : model.Configuration.Layers[layer]);
            map.Add(isRun ? run.Last : layer);
        }

        var configuration = WithCommonHeads(model.Configuration with { Layers = [.. shapes] });
        configuration.Validate("the fused model");
        var arena = new Arena("fused layers", model.Memory);
        try
        {
            var factory = new BlockFactory(configuration, model.Rope, arena, DType.F32);
            var layers = map.Select((last, i) => (First: i == 0 ? 0 : map[i - 1] + 1, Last: last)).Select(
                part => part.First == part.Last ? model.Layers[part.Last]
                    : Layer(model, factory, configuration.Layers[map.IndexOf(part.Last)], new FusionRun(part.First, part.Last))).ToList();
            return new FusedModel(model.WithLayers(configuration, layers, arena), map);
        }
        catch
        {
            arena.Dispose();
            throw;
        }
    }

    /// <summary>Where all attentions have the same query heads, these are the model's: then its layers are plain ones.</summary>
    private static ModelConfiguration WithCommonHeads(ModelConfiguration model)
    {
        int[] heads = [.. model.Layers.Select(layer => layer.Mixer).OfType<AttentionConfiguration>().Select(attention => attention.Heads(model)).Distinct()];
        return heads.Length != 1 || heads[0] == model.HeadCount || model.HiddenSize % heads[0] != 0
            ? model
            : model with
            {
                HeadCount = heads[0],
                Layers = [.. model.Layers.Select(layer => layer.Mixer is AttentionConfiguration attention
                    ? layer with { Mixer = attention with { QueryHeadCount = null } } : layer)],
            };
    }

    private static LayerConfiguration Shape(ModelConfiguration model, FusionRun run, bool wholeBlocks)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => model.Layers[layer].FeedForward).OfType<SwiGluConfiguration>().ToList();
        long width = parts.Sum(part => (long)part.Width);
        return width <= ConfigurationLimits.FeedForwardWidth
            ? new LayerConfiguration(
                wholeBlocks ? AttentionFusion.Shape(model, run) : model.Layers[run.First].Mixer, new SwiGluConfiguration((int)width) { HasBias = parts.Any(part => part.HasBias) })
            : throw new InvalidDataException(
                $"run {run}: the fused width would be {width}, expected at most {ConfigurationLimits.FeedForwardWidth}");
    }

    private static DecoderLayer Layer(Decoder model, BlockFactory factory, LayerConfiguration shape, FusionRun run)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => model.Layers[layer].FeedForward).OfType<SwiGluBlock>().ToList();
        FusedWeights.EnsureFloats(parts);
        var fused = (SwiGluBlock)factory.FeedForward(shape.FeedForward, $"layers.{run}.ffn")!;
        fused.Norm.Write(0, 1, (_, to) => new Span<float>(to.Floats, to.Columns).Fill(1f));
        int start = 0;
        foreach (var part in parts)
        {
            float[] gain = FusedWeights.Values(part.Norm);
            FusedWeights.FoldRows(part.GateUp, 0, fused.GateUp, start, part.Width, gain);
            FusedWeights.FoldRows(part.GateUp, part.Width, fused.GateUp, fused.Width + start, part.Width, gain);
            start += part.Width;
        }

        FusedWeights.JoinColumns([.. parts.Select(part => part.Down)], fused.Down);
        JoinBiases(parts, fused);
        // Several attentions are a run of whole blocks, whose shape is that of the joint one.
        bool joins = shape.Mixer is AttentionConfiguration && Enumerable.Range(run.First, run.Count).Count(layer => model.Layers[layer].Mixer is not null) > 1;
        return new DecoderLayer(
            joins ? AttentionFusion.Join(model, factory, (AttentionConfiguration)shape.Mixer, run) : model.Layers[run.First].Mixer, fused);
    }

    /// <summary>Biases of gate and up one behind the other, zeros where a part has none; those of down added.</summary>
    private static void JoinBiases(IReadOnlyList<SwiGluBlock> parts, SwiGluBlock fused)
    {
        if (fused.GateUpBias is null || fused.DownBias is null)
        {
            return;
        }

        float[] gateUp = new float[2 * fused.Width];
        int start = 0;
        foreach (var part in parts)
        {
            if (part.GateUpBias is { } bias)
            {
                float[] values = FusedWeights.Values(bias);
                values.AsSpan(0, part.Width).CopyTo(gateUp.AsSpan(start));
                values.AsSpan(part.Width).CopyTo(gateUp.AsSpan(fused.Width + start));
            }

            start += part.Width;
        }

        FusedWeights.Store(gateUp, fused.GateUpBias);
        FusedWeights.Store(FusedWeights.Sum([.. parts.Select(part => part.DownBias).OfType<Parameter>()], fused.DownBias.Rows), fused.DownBias);
    }
}
