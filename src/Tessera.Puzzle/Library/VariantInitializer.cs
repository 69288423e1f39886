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
/// <remarks>
/// Parent and variant are stored alike, in f32 or bf16. Sums are in f32 or double, and rounded once; what is copied keeps its bits.
/// </remarks>
/// <param name="device">Where products are computed.</param>
/// <param name="factory">Makes sub-blocks of the model's shape.</param>
public sealed unsafe class VariantInitializer(Device device, BlockFactory factory)
{
    private const long PortionBytes = 16L << 20;

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
                Assign(linear.Weight, product => Gemm.Multiply(
                    device, source.Down.View, false, source.GateUp.RowsView(source.Width, source.Width), false,
                    product, linear.Weight.Columns, linear.Weight.Rows, linear.Weight.Columns, source.Width, false));
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
        var type = parent.Type;
        parent.Memory.Read(parent.RowsView(queryRows, parentRows).Address, type.MatrixBytes(parentRows, parent.Columns), pooled =>
            child.Memory.Write(child.RowsView(queryRows, childRows).Address, type.MatrixBytes(childRows, child.Columns), made =>
            {
                for (int row = 0; row < childRows; row++)
                {
                    // Row i of key or value head h of the child, counted over both kinds: head h·G + g of the parent has G of them.
                    int head = row / to.HeadDim, i = row % to.HeadDim;
                    PoolRow(new Elements(pooled, type) + ((((long)head * group * from.HeadDim) + i) * parent.Columns), group,
                        (long)from.HeadDim * parent.Columns, new Elements(made, type) + ((long)row * child.Columns), parent.Columns);
                }
            }));
        child.MarkChanged();
    }

    /// <summary>target[c] = the mean of <paramref name="count"/> rows, <paramref name="stride"/> elements apart.</summary>
    private static void PoolRow(Elements rows, int count, long stride, Elements target, int columns)
    {
        bool isFloat = rows.Type == DType.F32;
        for (int c = 0; c < columns; c++)
        {
            double sum = 0;
            for (int g = 0; g < count; g++)
            {
                long i = (g * stride) + c;
                sum += isFloat ? ((float*)rows.Address)[i] : Bf16.Widen(((ushort*)rows.Address)[i]);
            }

            float mean = (float)(sum / count);
            if (isFloat)
            {
                ((float*)target.Address)[c] = mean;
            }
            else
            {
                ((ushort*)target.Address)[c] = Bf16.Round(mean);
            }
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
        Assign(child.Weight, product =>
        {
            for (int head = 0; head < shape.Heads; head++)
            {
                var outputColumns = new MatrixView(
                    (parent.Output.Elements + (head * shape.HeadDim)).Address, parent.Output.Type, hidden, shape.HeadDim, parent.Output.Columns);
                var values = parent.Projection.RowsView(valueRow + (head / headsPerGroup * shape.HeadDim), shape.HeadDim);
                Gemm.Multiply(
                    device, outputColumns, false, values, false, product, hidden, hidden, hidden, shape.HeadDim, head > 0);
            }
        });
    }

    /// <summary>Assigns a product that is summed in f32, rounded once.</summary>
    private void Assign(Parameter target, Action<Elements> multiply)
    {
        if (target.Type == DType.F32)
        {
            multiply(target.Elements);
        }
        else
        {
            using var arena = device.CreateArena("product");
            float* product = arena.Floats(target.Count);
            multiply(product);
            Conversion.ToBf16(device, product, (ushort*)target.Address, target.Count);
        }

        target.MarkChanged();
    }

    private static void KeepChannels(SwiGluBlock parent, SwiGluBlock child, ReadOnlySpan<int> channelOrder)
    {
        // Kept channels stay in the parent's order: at full width the variant is the parent, bit for bit.
        int[] kept = channelOrder[..child.Width].ToArray();
        Array.Sort(kept);
        for (int i = 0, run; i < kept.Length; i += run)
        {
            // Neighbours go together: a copy within a card's memory takes as long for one row as for several.
            for (run = 1; i + run < kept.Length && kept[i + run] == kept[i] + run; run++)
            {
            }

            CopyRows(parent.GateUp, kept[i], child.GateUp, i, run);
            CopyRows(parent.GateUp, parent.Width + kept[i], child.GateUp, child.Width + i, run);
            if (parent.GateUpBias is not null)
            {
                CopyRows(parent.GateUpBias, kept[i], child.GateUpBias!, i, run);
                CopyRows(parent.GateUpBias, parent.Width + kept[i], child.GateUpBias!, child.Width + i, run);
            }
        }

        if (parent.DownBias is not null)
        {
            Copy(parent.DownBias, child.DownBias!);
        }

        KeepColumns(parent.Down, child.Down, kept);
    }

    /// <summary>Copies chosen columns, as many rows at a time as go to the child's memory in one piece.</summary>
    private static void KeepColumns(Parameter parent, Parameter child, int[] kept)
    {
        var type = parent.Type;
        int most = (int)Math.Clamp(Math.Min(PortionBytes, parent.Memory.DirectBytes) / type.MatrixBytes(1, parent.Columns), 1, parent.Rows);
        for (int row = 0; row < parent.Rows; row += most)
        {
            int rows = Math.Min(most, parent.Rows - row);
            parent.Memory.Read(parent.RowsView(row, rows).Address, type.MatrixBytes(rows, parent.Columns), from =>
                child.Memory.Write(child.RowsView(row, rows).Address, type.MatrixBytes(rows, child.Columns), to =>
                {
                    for (int r = 0; r < rows; r++)
                    {
                        nint source = from + (nint)type.MatrixBytes(r, parent.Columns), target = to + (nint)type.MatrixBytes(r, child.Columns);
                        if (type == DType.F32)
                        {
                            Choose((float*)source, (float*)target, kept);
                        }
                        else
                        {
                            Choose((ushort*)source, (ushort*)target, kept);
                        }
                    }
                }));
        }

        child.MarkChanged();
    }

    private static void Choose<T>(T* source, T* target, int[] kept)
        where T : unmanaged
    {
        for (int i = 0; i < kept.Length; i++)
        {
            target[i] = source[kept[i]];
        }
    }

    private static void Copy(Parameter source, Parameter target) => CopyRows(source, 0, target, 0, source.Rows);

    private static void CopyRows(Parameter source, int sourceRow, Parameter target, int targetRow, int rows)
    {
        if (source.Type != target.Type || source.Type is not (DType.F32 or DType.BF16))
        {
            throw new InvalidOperationException(
                $"parameter {source.Name} is stored in {source.Type.Label()} and its variant in {target.Type.Label()}; f32 or bf16 is needed here, the same for both");
        }

        target.Memory.Copy(
            source.RowsView(sourceRow, rows).Address, target.RowsView(targetRow, rows).Address,
            source.Type.MatrixBytes(rows, source.Columns));
        target.MarkChanged();
    }
}
