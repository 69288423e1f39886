using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// A heterogeneous model as a plain Llama that any software loads: same function, no gain in size or speed. Narrow FFNs get
/// zero channels, absent sub-blocks get a zero output matrix, KV heads are repeated up to the largest count.
/// </summary>
public static unsafe class PaddedLlama
{
    /// <summary>Builds the padded model in f32 or bf16.</summary>
    /// <exception cref="NotSupportedException">A layer has a linear replacement, which plain Llama cannot express.</exception>
    public static Decoder Build(Decoder model, DType type)
    {
        var source = model.Configuration;
        Refuse(source);
        int kvHeads = source.Layers.Select(layer => (layer.Mixer as AttentionConfiguration)?.KvHeadCount ?? 1).Max();
        int width = source.Layers.Select(layer => (layer.FeedForward as SwiGluConfiguration)?.Width ?? 1).Max();
        if (source.Layers.Any(layer => layer.Mixer is AttentionConfiguration a && kvHeads % a.KvHeadCount != 0))
        {
            kvHeads = source.HeadCount;
        }

        var layerShape = new LayerConfiguration(new AttentionConfiguration(kvHeads), new SwiGluConfiguration(width));
        var configuration = source with
        {
            Architecture = ModelFamily.Llama,
            StorageType = type,
            Layers = [.. source.Layers.Select(_ => layerShape)],
        };
        var padded = Decoder.Allocate(configuration, type);
        ParameterConversion.Copy(model.Embedding, padded.Embedding);
        ParameterConversion.Copy(model.FinalNorm, padded.FinalNorm);
        if (!ReferenceEquals(padded.Head, padded.Embedding))
        {
            ParameterConversion.Copy(model.Head, padded.Head);
        }

        for (int i = 0; i < model.Layers.Count; i++)
        {
            Pad(model.Layers[i].Mixer as AttentionBlock, (AttentionBlock)padded.Layers[i].Mixer!);
            Pad(model.Layers[i].FeedForward as SwiGluBlock, (SwiGluBlock)padded.Layers[i].FeedForward!);
        }

        return padded;
    }

    private static void Refuse(ModelConfiguration configuration)
    {
        for (int i = 0; i < configuration.Layers.Length; i++)
        {
            var layer = configuration.Layers[i];
            if (layer.Mixer is LinearMixerConfiguration || layer.FeedForward is LinearFeedForwardConfiguration)
            {
                string half = layer.Mixer is LinearMixerConfiguration ? "attention" : "feed-forward";
                throw new NotSupportedException(
                    $"layer {i} has a linear map in place of its {half}: a plain Llama cannot hold it, export as hf instead");
            }
        }
    }

    private static void Pad(AttentionBlock? source, AttentionBlock target)
    {
        Blank(target);
        if (source is null)
        {
            return;
        }

        ParameterConversion.Copy(source.Norm, target.Norm);
        ParameterConversion.Copy(source.Output, target.Output);
        var (from, to) = (source.Shape, target.Shape);
        int queryRows = from.Heads * from.HeadDim;
        int repeat = to.KvHeads / from.KvHeads;
        CopyRows(source.Projection, 0, target.Projection, 0, queryRows);
        for (int part = 0; part < 2; part++)
        {
            for (int head = 0; head < to.KvHeads; head++)
            {
                int sourceRow = queryRows + (((part * from.KvHeads) + (head / repeat)) * from.HeadDim);
                int targetRow = queryRows + (((part * to.KvHeads) + head) * to.HeadDim);
                CopyRows(source.Projection, sourceRow, target.Projection, targetRow, from.HeadDim);
            }
        }
    }

    private static void Pad(SwiGluBlock? source, SwiGluBlock target)
    {
        Blank(target);
        if (source is null)
        {
            return;
        }

        ParameterConversion.Copy(source.Norm, target.Norm);
        CopyRows(source.GateUp, 0, target.GateUp, 0, source.Width);
        CopyRows(source.GateUp, source.Width, target.GateUp, target.Width, source.Width);
        for (int row = 0; row < source.Down.Rows; row++)
        {
            ParameterConversion.Copy(
                source.Down.RowsView(row, 1), target.Down.RowsView(row, 1).Address, target.Down.Type);
        }
    }

    private static void Blank(SubBlock block)
    {
        foreach (var parameter in block.Parameters)
        {
            NativeMemory.Clear((void*)parameter.Address, (nuint)parameter.Bytes);
        }

        new Span<float>(block.Norm.Floats, block.Norm.Columns).Fill(1f);
    }

    private static void CopyRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows) =>
        ParameterConversion.Copy(
            source.RowsView(sourceRow, rows), target.RowsView(targetRow, rows).Address, target.Type);
}
