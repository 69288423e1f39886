using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Causal softmax attention with grouped key-value heads over packed, ragged or cached sequences.</summary>
/// <remarks>
/// out[i,h] = Σ_j p[j]·v[j,h/G] with p = softmax over j of (q[i,h]·k[j,h/G] / sqrt(E)) and G = H / K. Query i of a segment
/// stands at position p = KeyCount − QueryCount + i and sees the keys [0, p], or the last W of them in a sliding window: p − W &lt; j ≤ p.
/// Memory: tiles of 64 keys; tiles that lie before every window are not read. Scratch grows with tokens·E in the backward and is constant in the forward, never tokens².
/// Error: relative L2 to the double reference at most 2e-6 forward and 5e-6 backward on unit Gaussians.
/// Determinism: the bits of a row depend only on its query and its visible keys and values. Thread count, other rows and
/// segments, and whether f32 keys lie in the projection buffer, in a cache or in its pages do not matter: every score is one chain of
/// fused multiply-adds in the order of e, every output one chain in the order of j, rescaled at multiples of 64 positions.
/// Keys and values must be finite.
/// On a card: f32 or bf16 queries with outputs and gradients of their type, keys and values of a cache in either; f32 sums. With
/// bf16 queries and keys the products run on tensor cores and probabilities are rounded before they meet the values: relative L2 at
/// most 2.9e-3 forward, 5e-3 backward. A query that is alone in its sequence's step is summed in parts of 256 keys, several are in
/// tiles, each the same whatever else is in the step; see <see cref="AttentionBounds.IsInvariant"/>. Segments are not validated: they lie
/// on the card. Schedules: docs/kernels/attention.md.
/// Cost: 4·E FLOPs for every visible pair and head forward, 10·E backward.
/// Source: Milakov and Gimelshein 2018 (online softmax); Dao 2023 (tiles, recomputed probabilities).
/// </remarks>
public static unsafe partial class Attention
{
    /// <summary>Attends from every row covered by the segments.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="shape">Heads and head dimension.</param>
    /// <param name="queries">Rotated queries, [tokens, H·E].</param>
    /// <param name="queryStride">Elements from one query row to the next.</param>
    /// <param name="segments">The sequences of this step, in the device's memory; their rows must not overlap.</param>
    /// <param name="bounds">What the host knows of them.</param>
    /// <param name="keys">Row 0 of the keys, [rows, K·E], f32 or bf16.</param>
    /// <param name="values">Row 0 of the values, stored as the keys are.</param>
    /// <param name="keyValueStride">Elements from one position's keys (or values) to the next.</param>
    /// <param name="output">Assigned in the rows covered, [tokens, H·E]; must not overlap the inputs.</param>
    /// <param name="outputStride">Elements from one output row to the next.</param>
    /// <param name="logSumExp">[tokens, H], the natural log-sum-exp of each row's scaled scores for the backward; may be null.</param>
    /// <exception cref="ArgumentException">Shape, type, stride or a segment is unusable.</exception>
    public static void Forward(
        Device device,
        in AttentionShape shape,
        Elements queries,
        long queryStride,
        AttentionSegment* segments,
        in AttentionBounds bounds,
        Elements keys,
        Elements values,
        long keyValueStride,
        Elements output,
        long outputStride,
        float* logSumExp)
    {
        CheckShape(shape, bounds);
        CheckStride(nameof(queryStride), queryStride, (long)shape.Heads * shape.HeadDim);
        CheckStride(nameof(outputStride), outputStride, (long)shape.Heads * shape.HeadDim);
        CheckStride(nameof(keyValueStride), keyValueStride, (long)shape.KvHeads * shape.HeadDim);
        if (keys.Type != values.Type || keys.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException(
                $"attention keys and values are both f32 or both bf16, not {keys.Type.Label()} and {values.Type.Label()}");
        }

        if (device is CudaDevice cuda)
        {
            CheckSameType(queries, output);
            var arguments = new AttentionForwardArguments
            {
                Queries = queries.Address,
                Keys = keys.Address,
                Values = values.Address,
                Segments = segments,
                Output = output.Address,
                LogSumExp = logSumExp,
                QueryStride = queryStride,
                KeyValueStride = keyValueStride,
                OutputStride = outputStride,
                GroupReciprocal = CudaReciprocal(shape, bounds),
                SegmentCount = bounds.Segments,
                Heads = shape.Heads,
                Group = shape.GroupSize,
                Window = shape.Window,
                Splits = 1,
                Scale = shape.Scale,
            };
            long distances = (uint)shape.HeadDim | queryStride | keyValueStride | outputStride;
            int alignment = AttentionAlignment.Of(distances, queries, keys, values, output);
            ForwardCuda(cuda, shape, new CudaForwardCall(arguments, bounds, queries.Type, keys.Type, alignment));
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Check(scope.Processor, segments, bounds.Segments);
        var call = new ForwardCall
        {
            Shape = shape,
            Queries = queries.Floats,
            QueryStride = queryStride,
            Segments = segments,
            Keys = keys.Address,
            Values = values.Address,
            KeyValueType = keys.Type,
            KeyValueStride = keyValueStride,
            Output = output.Floats,
            OutputStride = outputStride,
            LogSumExp = logSumExp,
        };
        RunForward(scope.Processor, &call, bounds);
    }

    /// <summary>Gradients of queries, keys and values, assigned in the rows covered by the segments.</summary>
    /// <remarks>
    /// With P recomputed from <paramref name="logSumExp"/> and D[i,h] = Σ_e gradOutput·output:
    /// gradValues[j] = Σ_i P[i,j]·gradOutput[i]; dS[i,j] = P[i,j]·(gradOutput[i]·v[j] − D[i]);
    /// gradQueries[i] = Σ_j dS[i,j]·k[j] / sqrt(E); gradKeys[j] = Σ_i dS[i,j]·q[i] / sqrt(E);
    /// sums over i run over the G query heads of a key-value head as well. Work is shared by (segment, key-value head).
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="shape">Heads and head dimension.</param>
    /// <param name="queries">Rotated queries, [tokens, H·E].</param>
    /// <param name="queryStride">Elements from one query row to the next.</param>
    /// <param name="segments">The sequences of this step, in the device's memory, each with KeyCount = QueryCount and no pages.</param>
    /// <param name="bounds">What the host knows of them.</param>
    /// <param name="keys">Row 0 of the keys, [rows, K·E], stored as the queries are.</param>
    /// <param name="values">Row 0 of the values.</param>
    /// <param name="keyValueStride">Elements from one position's keys (or values) to the next.</param>
    /// <param name="output">The forward's output.</param>
    /// <param name="gradOutput">Gradient of the output, laid out like it.</param>
    /// <param name="outputStride">Elements from one row of output and gradOutput to the next.</param>
    /// <param name="logSumExp">The forward's log-sum-exp, [tokens, H].</param>
    /// <param name="gradQueries">[tokens, H·E].</param>
    /// <param name="gradKeys">[tokens, K·E]: key j of a segment is row QueryStart + j.</param>
    /// <param name="gradValues">[tokens, K·E], rows like gradKeys.</param>
    /// <param name="gradStride">Elements from one row of each gradient to the next.</param>
    /// <exception cref="ArgumentException">Shape, stride or a segment is unusable.</exception>
    public static void Backward(
        Device device,
        in AttentionShape shape,
        Elements queries,
        long queryStride,
        AttentionSegment* segments,
        in AttentionBounds bounds,
        Elements keys,
        Elements values,
        long keyValueStride,
        Elements output,
        Elements gradOutput,
        long outputStride,
        float* logSumExp,
        Elements gradQueries,
        Elements gradKeys,
        Elements gradValues,
        long gradStride)
    {
        CheckShape(shape, bounds);
        CheckStride(nameof(queryStride), queryStride, (long)shape.Heads * shape.HeadDim);
        CheckStride(nameof(outputStride), outputStride, (long)shape.Heads * shape.HeadDim);
        CheckStride(nameof(keyValueStride), keyValueStride, (long)shape.KvHeads * shape.HeadDim);
        CheckStride(nameof(gradStride), gradStride, (long)shape.Heads * shape.HeadDim);
        if (device is CudaDevice cuda)
        {
            CheckSameType(queries, keys, values, output, gradOutput, gradQueries, gradKeys, gradValues);
            var arguments = new AttentionBackwardArguments
            {
                Queries = queries.Address,
                Keys = keys.Address,
                Values = values.Address,
                Segments = segments,
                Output = output.Address,
                GradOutput = gradOutput.Address,
                LogSumExp = logSumExp,
                GradQueries = gradQueries.Address,
                GradKeys = gradKeys.Address,
                GradValues = gradValues.Address,
                QueryStride = queryStride,
                KeyValueStride = keyValueStride,
                OutputStride = outputStride,
                GradStride = gradStride,
                GroupReciprocal = CudaReciprocal(shape, bounds),
                SegmentCount = bounds.Segments,
                Tokens = bounds.Tokens,
                Heads = shape.Heads,
                Group = shape.GroupSize,
                Window = shape.Window,
                Scale = shape.Scale,
            };
            long distances = (uint)shape.HeadDim | queryStride | keyValueStride | outputStride | gradStride;
            int alignment = AttentionAlignment.Of(
                distances, queries, keys, values, output, gradOutput, gradQueries, gradKeys, gradValues);
            BackwardCuda(cuda, shape, bounds, queries.Type, alignment, arguments);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Check(scope.Processor, segments, bounds.Segments);
        for (int s = 0; s < bounds.Segments && !device.IsPlanning; s++)
        {
            if (segments[s].Pages != null)
            {
                throw new ArgumentException($"attention segment {s}: the backward reads keys from the projection, not from pages");
            }

            if (segments[s].KeyCount != segments[s].QueryCount)
            {
                throw new ArgumentException(
                    $"attention segment {s}: the backward needs every key's query, but there are {segments[s].QueryCount} queries "
                    + $"for {segments[s].KeyCount} keys");
            }
        }

        var call = new BackwardCall
        {
            Shape = shape,
            Queries = queries.Floats,
            QueryStride = queryStride,
            Segments = segments,
            Keys = keys.Floats,
            Values = values.Floats,
            KeyValueStride = keyValueStride,
            Output = output.Floats,
            GradOutput = gradOutput.Floats,
            OutputStride = outputStride,
            LogSumExp = logSumExp,
            GradQueries = gradQueries.Floats,
            GradKeys = gradKeys.Floats,
            GradValues = gradValues.Floats,
            GradStride = gradStride,
        };
        RunBackward(scope.Processor, &call, bounds);
    }

    private static void CheckShape(in AttentionShape shape, in AttentionBounds bounds)
    {
        shape.Validate();
        ArgumentOutOfRangeException.ThrowIfNegative(bounds.Segments);
    }

    private static void Check(CpuDevice cpu, AttentionSegment* segments, int segmentCount)
    {
        for (int s = 0; s < segmentCount && !cpu.IsPlanning; s++)
        {
            var segment = segments[s];
            if (segment.QueryStart < 0 || segment.QueryCount < 0 || segment.KeyCount < segment.QueryCount)
            {
                throw new ArgumentException(
                    $"attention segment {s}: {segment.QueryCount} queries from row {segment.QueryStart} with {segment.KeyCount} keys");
            }
        }
    }

    /// <summary>The card's kernels read and write rows of one type, but for keys and values of a cache.</summary>
    private static void CheckSameType(params ReadOnlySpan<Elements> elements)
    {
        foreach (var other in elements)
        {
            if (other.Type != elements[0].Type)
            {
                throw new ArgumentException(
                    $"attention on a card takes queries, outputs and gradients of one type, not {elements[0].Type.Label()} and {other.Type.Label()}");
            }
        }
    }

    private static void CheckStride(string name, long stride, long width)
    {
        if (stride < width)
        {
            throw new ArgumentException($"attention {name} is {stride}, below the row's {width} elements", name);
        }
    }
}
