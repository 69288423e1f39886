using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// A heterogeneous model as a plain Llama that any software loads: same function, no gain in size or speed. Narrow FFNs get
/// zero channels, absent sub-blocks get a zero output matrix, KV heads are repeated up to the largest count, and where layers differ in
/// their query heads those with fewer get zero ones. Where a layer has
/// biases all get them, of zeros where they had none.
/// </summary>
public static unsafe class PaddedLlama
{
    /// <summary>Builds the padded model in f32 or bf16.</summary>
    /// <exception cref="NotSupportedException">
    /// A layer has a linear replacement, a window or head norms, which plain Llama cannot express.
    /// </exception>
    public static Decoder Build(Decoder model, DType type)
    {
        var source = model.Configuration;
        Refuse(source);
        var (heads, kvHeads) = Heads(source);
        int width = source.Layers.Select(layer => (layer.FeedForward as SwiGluConfiguration)?.Width ?? 1).Max();
        bool attentionBias = source.Layers.Any(layer => layer.Mixer is AttentionConfiguration { HasQkvBias: true } or AttentionConfiguration { HasOutputBias: true });
        bool feedForwardBias = source.Layers.Any(layer => layer.FeedForward is SwiGluConfiguration { HasBias: true });
        var layerShape = new LayerConfiguration(
            new AttentionConfiguration(kvHeads) { HasQkvBias = attentionBias, HasOutputBias = attentionBias },
            new SwiGluConfiguration(width) { HasBias = feedForwardBias });
        var configuration = source with
        {
            Architecture = ModelFamily.Llama,
            HeadCount = heads,
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

    /// <summary>Query and KV heads that every layer's can be padded or repeated to.</summary>
    private static (int Heads, int KvHeads) Heads(ModelConfiguration source)
    {
        var layers = source.Layers.Select((layer, i) => (Attention: layer.Mixer as AttentionConfiguration, Layer: i)).Where(pair => pair.Attention is not null).ToList();
        if (layers.All(pair => pair.Attention!.QueryHeadCount is null))
        {
            int most = layers.Select(pair => pair.Attention!.KvHeadCount).DefaultIfEmpty(1).Max();
            return (source.HeadCount, layers.Any(pair => most % pair.Attention!.KvHeadCount != 0) ? source.HeadCount : most);
        }

        // A group size that divides all: KV heads are repeated for smaller groups, and whole groups of zeros are put behind.
        int group = layers.Select(pair => pair.Attention!.Heads(source) / pair.Attention.KvHeadCount).Aggregate(Divisor);
        var (widest, layer) = layers.Select(pair => (pair.Attention!.Heads(source), pair.Layer)).MaxBy(pair => pair.Item1);
        return source.HiddenSize % widest == 0
            ? (widest, widest / group)
            : throw new NotSupportedException(
                $"layer {layer} has {widest} query heads, which do not divide the hidden size {source.HiddenSize}: a plain Llama cannot hold it, export as hf instead");
    }

    private static int Divisor(int left, int right) => right == 0 ? left : Divisor(right, left % right);

    private static void Refuse(ModelConfiguration configuration)
    {
        for (int i = 0; i < configuration.Layers.Length; i++)
        {
            string? obstacle = configuration.Layers[i] switch
            {
                { Mixer: LinearMixerConfiguration } => "a linear map in place of its attention",
                { FeedForward: LinearFeedForwardConfiguration } => "a linear map in place of its feed-forward",
                { Mixer: AttentionConfiguration { HasHeadNorms: true } } => "norms of its query and key heads",
                { Mixer: AttentionConfiguration { Window: { } window } } => $"a sliding window of {window} tokens",
                _ => null,
            };
            if (obstacle is not null)
            {
                throw new NotSupportedException($"layer {i} has {obstacle}: a plain Llama cannot hold it, export as hf instead");
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
        PadColumns(source.Output, target.Output);
        PadHeads(source.Projection, target.Projection, source.Shape, target.Shape);
        if (source.Qkv?.Bias is { } bias)
        {
            PadHeads(bias, target.Qkv!.Bias!, source.Shape, target.Shape);
        }

        if (source.OutputBias is not null)
        {
            ParameterConversion.Copy(source.OutputBias, target.OutputBias!);
        }
    }

    /// <summary>
    /// Copies the rows of query heads and repeats those of key and value heads, of the projection or of its bias. What is behind them in a
    /// wider layer stays zero: such heads see values of zero.
    /// </summary>
    private static void PadHeads(Parameter source, Parameter target, AttentionShape from, AttentionShape to)
    {
        int queryRows = from.Heads * from.HeadDim, targetRows = to.Heads * to.HeadDim;
        int repeat = from.GroupSize / to.GroupSize;
        CopyRows(source, 0, target, 0, queryRows);
        for (int part = 0; part < 2; part++)
        {
            for (int head = 0; head < from.KvHeads * repeat; head++)
            {
                int sourceRow = queryRows + (((part * from.KvHeads) + (head / repeat)) * from.HeadDim);
                int targetRow = targetRows + (((part * to.KvHeads) + head) * to.HeadDim);
                CopyRows(source, sourceRow, target, targetRow, from.HeadDim);
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
        PadChannels(source.GateUp, target.GateUp, source.Width, target.Width);
        if (source.GateUpBias is not null)
        {
            PadChannels(source.GateUpBias, target.GateUpBias!, source.Width, target.Width);
            ParameterConversion.Copy(source.DownBias!, target.DownBias!);
        }

        PadColumns(source.Down, target.Down);
    }

    private static void PadChannels(Parameter source, Parameter target, int from, int to)
    {
        CopyRows(source, 0, target, 0, from);
        CopyRows(source, from, target, to, from);
    }

    /// <summary>Copies rows into the beginnings of longer ones.</summary>
    private static void PadColumns(Parameter source, Parameter target)
    {
        using var device = new CpuDevice(1);
        source.Read(0, source.Rows, (first, from) => target.Edit(first, from.Rows, (inner, to) =>
        {
            for (int row = 0; row < to.Rows; row++)
            {
                ParameterConversion.Copy(
                    device,
                    MatrixView.Of(from.Elements + ((long)(inner + row) * from.Columns), 1, from.Columns),
                    MatrixView.Of(to.Elements + ((long)row * to.Columns), 1, from.Columns));
            }
        }));
    }

    private static void Blank(SubBlock block)
    {
        foreach (var parameter in block.Parameters)
        {
            parameter.Memory.Clear(parameter.Address, parameter.Bytes);
        }

        block.Norm.Write(0, 1, (_, gain) => new Span<float>(gain.Floats, gain.Columns).Fill(1f));
    }

    private static void CopyRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows) =>
        ParameterConversion.CopyRows(source, sourceRow, target, targetRow, rows);
}
