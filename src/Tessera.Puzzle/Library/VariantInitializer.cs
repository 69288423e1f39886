using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Builds a variant's weights from the parent's (Puzzle, appendix A): mean-pooled keys and values, the channels that
/// contribute most, or the product of two matrices.
/// </summary>
/// <remarks>All in f32: variants are trained before they are stored.</remarks>
/// <param name="device">Where products are computed.</param>
/// <param name="factory">Makes sub-blocks of the model's shape.</param>
public sealed unsafe class VariantInitializer(Device device, BlockFactory factory)
{
    /// <summary>A mixer variant, or null for none.</summary>
    /// <exception cref="NotSupportedException">This variant cannot be made from this parent.</exception>
    public SubBlock? Mixer(SubBlock parent, MixerConfiguration target, string name)
    {
        var child = factory.Mixer(target, name);
        switch (child, parent)
        {
            case (null, _):
                return null;
            case (AttentionBlock attention, AttentionBlock source) when source.Shape.KvHeads % attention.Shape.KvHeads == 0:
                PoolHeads(source, attention);
                break;
            case (LinearBlock linear, AttentionBlock source):
                MultiplyValueAndOutput(source, linear);
                break;
            default:
                throw new NotSupportedException($"{name}: {target} cannot be made from this parent's mixer");
        }

        Copy(parent.Norm, child.Norm);
        return child;
    }

    /// <summary>A feed-forward variant, or null for none.</summary>
    /// <param name="parent">The parent's sub-block.</param>
    /// <param name="target">The variant.</param>
    /// <param name="channelOrder">The parent's channels by falling contribution.</param>
    /// <param name="name">Name of the parameters.</param>
    /// <exception cref="NotSupportedException">This variant cannot be made from this parent.</exception>
    public SubBlock? FeedForward(SubBlock parent, FeedForwardConfiguration target, ReadOnlySpan<int> channelOrder, string name)
    {
        var child = factory.FeedForward(target, name);
        switch (child, parent)
        {
            case (null, _):
                return null;
            case (SwiGluBlock narrow, SwiGluBlock source) when narrow.Width <= source.Width:
                KeepChannels(source, narrow, channelOrder);
                break;
            case (LinearBlock linear, SwiGluBlock source):
                // W = W_down · W_up, gate and biases left out.
                Gemm.Multiply(
                    device, source.Down.View, false, source.GateUp.RowsView(source.Width, source.Width), false,
                    linear.Weight.Elements, linear.Weight.Columns, linear.Weight.Rows, linear.Weight.Columns, source.Width, false);
                break;
            default:
                throw new NotSupportedException($"{name}: {target} cannot be made from this parent's feed-forward");
        }

        Copy(parent.Norm, child.Norm);
        return child;
    }

    /// <summary>
    /// Fewer KV heads: each is the mean of the parent's heads it replaces, biases included; queries, output and the gains that
    /// all heads share stay.
    /// </summary>
    private static void PoolHeads(AttentionBlock parent, AttentionBlock child)
    {
        PoolRows(parent.Projection, child.Projection, parent.Shape, child.Shape);
        foreach (var (source, target) in (parent.Qkv?.Parameters ?? []).Zip(child.Qkv?.Parameters ?? []))
        {
            if (ReferenceEquals(source, parent.Qkv!.Bias))
            {
                PoolRows(source, target, parent.Shape, child.Shape);
            }
            else
            {
                Copy(source, target);
            }
        }

        Copy(parent.Output, child.Output);
        if (parent.OutputBias is not null)
        {
            Copy(parent.OutputBias, child.OutputBias!);
        }
    }

    /// <summary>Copies the rows of query heads and averages those of key and value heads, of the projection or of its bias.</summary>
    private static void PoolRows(Parameter parent, Parameter child, AttentionShape from, AttentionShape to)
    {
        int queryRows = from.Heads * from.HeadDim;
        int group = from.KvHeads / to.KvHeads;
        CopyRows(parent, 0, child, 0, queryRows);
        int parentRows = 2 * from.KvHeads * from.HeadDim, childRows = 2 * to.KvHeads * to.HeadDim;
        parent.Memory.Read(parent.RowsView(queryRows, parentRows).Address, DType.F32.MatrixBytes(parentRows, parent.Columns), pooled =>
            child.Memory.Write(child.RowsView(queryRows, childRows).Address, DType.F32.MatrixBytes(childRows, child.Columns), made =>
            {
                for (int row = 0; row < childRows; row++)
                {
                    // Row i of key or value head h of the child, counted over both kinds: head h·G + g of the parent has G of them.
                    int head = row / to.HeadDim, i = row % to.HeadDim;
                    PoolRow((float*)pooled + ((((long)head * group * from.HeadDim) + i) * parent.Columns), group,
                        (long)from.HeadDim * parent.Columns, (float*)made + ((long)row * child.Columns), parent.Columns);
                }
            }));
        child.MarkChanged();
    }

    /// <summary>target[c] = the mean of <paramref name="count"/> rows, <paramref name="stride"/> elements apart.</summary>
    private static void PoolRow(float* rows, int count, long stride, float* target, int columns)
    {
        for (int c = 0; c < columns; c++)
        {
            double sum = 0;
            for (int g = 0; g < count; g++)
            {
                sum += rows[(g * stride) + c];
            }

            target[c] = (float)(sum / count);
        }
    }

    /// <summary>
    /// Attention in which every token looks only at itself: W = W_O · Expand(W_V), the value rows of a KV head repeated for
    /// each of its query heads. Biases are left out, since the form on disk has none for a linear map.
    /// </summary>
    private void MultiplyValueAndOutput(AttentionBlock parent, LinearBlock child)
    {
        var shape = parent.Shape;
        int hidden = parent.Projection.Columns;
        int valueRow = (shape.Heads + shape.KvHeads) * shape.HeadDim;
        int headsPerGroup = shape.Heads / shape.KvHeads;
        for (int head = 0; head < shape.Heads; head++)
        {
            var outputColumns = new MatrixView(
                (parent.Output.Elements + (head * shape.HeadDim)).Address, DType.F32, hidden, shape.HeadDim, parent.Output.Columns);
            var values = parent.Projection.RowsView(valueRow + (head / headsPerGroup * shape.HeadDim), shape.HeadDim);
            Gemm.Multiply(
                device, outputColumns, false, values, false, child.Weight.Elements, hidden, hidden, hidden, shape.HeadDim, head > 0);
        }
    }

    private static void KeepChannels(SwiGluBlock parent, SwiGluBlock child, ReadOnlySpan<int> channelOrder)
    {
        // Kept channels stay in the parent's order: at full width the variant is the parent, bit for bit.
        int[] kept = channelOrder[..child.Width].ToArray();
        Array.Sort(kept);
        for (int i = 0; i < kept.Length; i++)
        {
            CopyRows(parent.GateUp, kept[i], child.GateUp, i, 1);
            CopyRows(parent.GateUp, parent.Width + kept[i], child.GateUp, child.Width + i, 1);
            if (parent.GateUpBias is not null)
            {
                CopyRows(parent.GateUpBias, kept[i], child.GateUpBias!, i, 1);
                CopyRows(parent.GateUpBias, parent.Width + kept[i], child.GateUpBias!, child.Width + i, 1);
            }
        }

        if (parent.DownBias is not null)
        {
            Copy(parent.DownBias, child.DownBias!);
        }

        parent.Down.ReadWhole(from => child.Down.EditWhole(to =>
        {
            for (long row = 0; row < to.Rows; row++)
            {
                for (int i = 0; i < kept.Length; i++)
                {
                    to.Floats[(row * to.Columns) + i] = from.Floats[(row * from.Columns) + kept[i]];
                }
            }
        }));
    }

    private static void Copy(Parameter source, Parameter target) => CopyRows(source, 0, target, 0, source.Rows);

    private static void CopyRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows)
    {
        if (source.Type != DType.F32 || target.Type != DType.F32)
        {
            throw new InvalidOperationException($"parameter {source.Name} is stored in {source.Type.Label()}, f32 is needed here");
        }

        target.Memory.Copy(
            source.RowsView(sourceRow, rows).Address, target.RowsView(targetRow, rows).Address,
            DType.F32.MatrixBytes(rows, source.Columns));
        target.MarkChanged();
    }
}
