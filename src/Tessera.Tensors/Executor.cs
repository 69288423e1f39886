using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>
/// Runs operations on a device: allocates their outputs and, when it has a tape and an input or weight asks for a gradient,
/// records them. Training, scoring and generation call the same methods; only the tape differs.
/// </summary>
/// <param name="device">Where kernels run.</param>
/// <param name="arena">Owner of outputs; the caller resets it between steps.</param>
/// <param name="tape">Null where no gradient is wanted.</param>
public sealed unsafe class Executor(Device device, Arena arena, Tape? tape)
{
    private Executor? _unrecorded;

    /// <summary>Where kernels run.</summary>
    public Device Device => device;

    /// <summary>Owner of outputs.</summary>
    public Arena Arena => arena;

    /// <summary>
    /// Whether a token's bits must not depend on how many others the step holds, as training and scoring have it anyway; small
    /// steps are slower for it.
    /// </summary>
    public bool IsInvariant { get; init; }

    /// <summary>The tape, or null.</summary>
    public Tape? Tape => tape;

    /// <summary>What the tape computes again for the backward; <see cref="RecomputeLevel.None"/> without a tape.</summary>
    public RecomputeLevel Recompute => tape?.Recompute ?? RecomputeLevel.None;

    /// <summary>An uninitialised tensor that needs no gradient.</summary>
    public Tensor Allocate(int rows, int columns)
    {
        var type = device.ActivationType;
        return new Tensor(arena.Allocate((long)rows * columns * type.Bytes()), rows, columns, type);
    }

    /// <summary>Rows of a table: output[t] = table[ids[t]].</summary>
    public Tensor Embed(int* ids, int tokens, Parameter table)
    {
        var output = Allocate(tokens, table.Columns);
        Embedding.Forward(device, ids, table.View, output.Data, tokens);
        if (tape is null || !table.IsTrainable)
        {
            return output;
        }

        output = tape.Track(output);
        tape.Add(new OperationRecord { Kind = OperationKind.Embed, Output = output, Weight = table, Saved = (nint)ids });
        return output;
    }

    /// <summary>Some rows of a tensor, in the order asked for: output[i] = source[rows[i]]. Nothing is recorded.</summary>
    public Tensor Gather(Tensor source, ReadOnlySpan<int> rows)
    {
        int* places = (int*)arena.Allocate((long)rows.Length * sizeof(int));
        device.Upload(rows, (nint)places);
        return Gather(source, places, rows.Length);
    }

    /// <summary>As the other, for rows that are in the device's memory already.</summary>
    public Tensor Gather(Tensor source, int* rows, int count)
    {
        var output = Allocate(count, source.Columns);
        Embedding.Forward(device, rows, MatrixView.Of(source.Data, source.Rows, source.Columns), output.Data, count);
        return output;
    }

    /// <summary>y = x · gain / sqrt(mean(x²) + ε) for every row.</summary>
    public Tensor RmsNorm(Tensor input, Parameter gain, float epsilon)
    {
        bool records = Records(input, gain);
        var output = AllocateOutput(input.Rows, input.Columns, records);
        nint inverseRms = records ? arena.Allocate(input.Rows * sizeof(float)) : 0;
        Kernels.RmsNorm.Forward(
            device, input.Data, gain.Elements, output.Data, (float*)inverseRms, input.Rows, input.Columns, epsilon);
        if (!records)
        {
            return output;
        }

        output = tape!.Track(output);
        tape.Add(new OperationRecord
        {
            Kind = OperationKind.RmsNorm,
            Input = input,
            Output = output,
            Weight = gain,
            Saved = inverseRms,
            Epsilon = epsilon,
        });
        return output;
    }

    /// <summary>r' = r + x, in the place of one of them; y = RMSNorm(r').</summary>
    /// <param name="residual">r.</param>
    /// <param name="branch">x.</param>
    /// <param name="gain">Of the norm.</param>
    /// <param name="epsilon">Of the norm.</param>
    /// <param name="ownsResidual">Whether the sum may take the place of r; otherwise it takes that of x, which no backward reads.</param>
    /// <returns>The sum and the normalised rows.</returns>
    public (Tensor Residual, Tensor Output) AddRmsNorm(
        Tensor residual, Tensor branch, Parameter gain, float epsilon, bool ownsResidual = false)
    {
        bool records = Records(residual, gain) || branch.Node >= 0;
        var output = AllocateOutput(residual.Rows, residual.Columns, records);
        var sum = (ownsResidual ? residual : branch).Detached();
        nint inverseRms = records ? arena.Allocate(residual.Rows * sizeof(float)) : 0;
        Kernels.RmsNorm.AddForward(
            device, residual.Data, branch.Data, sum.Data, gain.Elements, output.Data, (float*)inverseRms, residual.Rows,
            residual.Columns, epsilon);
        if (!records)
        {
            return (sum, output);
        }

        sum = tape!.Track(sum);
        output = tape.Track(output);
        tape.Add(new OperationRecord
        {
            Kind = OperationKind.AddRmsNorm,
            Input = residual,
            Second = branch,
            Output = output,
            SecondOutput = sum,
            Weight = gain,
            Saved = inverseRms,
            Epsilon = epsilon,
        });
        return (sum, output);
    }

    /// <summary>Y = X·Wᵀ, into <paramref name="destination"/> where it exists.</summary>
    public Tensor Linear(Tensor input, Parameter weight, Tensor destination = default)
    {
        var output = destination.Exists ? destination : Allocate(input.Rows, weight.Rows);
        Kernels.Linear.Forward(
            device, input.Data, input.Columns, weight.View, output.Data, output.Columns, input.Rows, false, IsInvariant,
            Kernels.Linear.ReadsPacked(input.Rows, IsInvariant) ? weight.Packed(device) : default);
        if (!Records(input, weight))
        {
            return output;
        }

        output = tape!.Track(output);
        tape.Add(new OperationRecord { Kind = OperationKind.Linear, Input = input, Output = output, Weight = weight });
        return output;
    }

    /// <summary>The logits of a head for hidden states, in f32 whatever the activations are. Nothing is recorded.</summary>
    public Tensor Logits(Tensor hidden, Parameter head)
    {
        nint room = arena.Allocate((long)hidden.Rows * head.Rows * sizeof(float));
        return Linear(hidden.Detached(), head, new Tensor(room, hidden.Rows, head.Rows)).Detached();
    }

    /// <summary>Adds a bias [columns, 1] to every row, in place.</summary>
    /// <returns>The same numbers; on the tape where tensor or bias ask for a gradient.</returns>
    public Tensor AddBias(Tensor tensor, Parameter bias)
    {
        Kernels.Bias.Forward(device, tensor.Data, bias.Elements, tensor.Rows, tensor.Columns);
        if (!Records(tensor, bias))
        {
            return tensor;
        }

        var output = TrackInPlace(tensor);
        tape!.Add(new OperationRecord { Kind = OperationKind.Bias, Input = output, Output = output, Weight = bias });
        return output;
    }

    /// <summary>Rotates the query and key heads of a packed projection in place.</summary>
    public void Rope(Tensor qkv, AttentionShape shape, int* positions, RopeTable table)
    {
        int heads = shape.Heads + shape.KvHeads;
        Kernels.Rope.Forward(device, qkv.Data, qkv.Columns, heads, shape.HeadDim, positions, qkv.Rows, table);
        if (qkv.Node >= 0)
        {
            tape!.Add(new OperationRecord
            {
                Kind = OperationKind.Rope,
                Input = qkv,
                Output = qkv,
                Saved = (nint)positions,
                Count = heads,
                Shape = shape,
                Table = table,
            });
        }
    }

    /// <summary>Bias, norms of the query and key heads, and rotation of a packed projection, in place.</summary>
    /// <returns>The same numbers; on the tape where the projection or a part ask for a gradient.</returns>
    public Tensor FinishQkv(Tensor qkv, AttentionShape shape, QkvParameters parts, int* positions, RopeTable table)
    {
        bool records = tape is not null && (qkv.Node >= 0 || parts.IsTrainable);
        bool saves = records && parts.QueryGain is not null;
        long heads = (long)qkv.Rows * (shape.Heads + shape.KvHeads);
        var normInput = saves ? Allocate(qkv.Rows, (shape.Heads + shape.KvHeads) * shape.HeadDim) : default;
        nint inverseRms = saves ? arena.Allocate(heads * sizeof(float)) : 0;
        QkvEpilogue.Forward(
            device, shape, qkv.Data, parts.Weights, positions, qkv.Rows, table, normInput.Data, (float*)inverseRms);
        if (!records)
        {
            return qkv;
        }

        var output = TrackInPlace(qkv);
        tape!.Add(new OperationRecord
        {
            Kind = OperationKind.QkvEpilogue,
            Input = output,
            Output = output,
            Saved = (nint)positions,
            Shape = shape,
            Table = table,
            Qkv = parts,
            NormInput = normInput,
            InverseRms = inverseRms,
        });
        return output;
    }

    /// <summary>
    /// Causal attention of the queries in a packed projection over the keys and values beside them.
    /// </summary>
    /// <param name="qkv">[tokens, (H + 2K)·E], finished.</param>
    /// <param name="shape">H, K, E and the window.</param>
    /// <param name="segments">Which rows belong together, in the device's memory until the tape is reset.</param>
    /// <param name="bounds">What the host knows of them.</param>
    public Tensor Attention(Tensor qkv, AttentionShape shape, AttentionSegment* segments, in AttentionBounds bounds)
    {
        int keys = shape.Heads * shape.HeadDim, values = keys + (shape.KvHeads * shape.HeadDim);
        return Attention(qkv, shape, segments, bounds, qkv.Data + keys, qkv.Data + values, qkv.Columns);
    }

    /// <summary>Causal attention of the queries in a packed projection over keys and values in a cache. Nothing is recorded.</summary>
    /// <param name="qkv">[tokens, (H + 2K)·E], finished.</param>
    /// <param name="shape">H, K, E and the window.</param>
    /// <param name="segments">The sequences, in the device's memory.</param>
    /// <param name="bounds">What the host knows of them.</param>
    /// <param name="keys">Row 0 of the cache's keys.</param>
    /// <param name="values">Row 0 of the cache's values.</param>
    /// <exception cref="InvalidOperationException">A gradient is asked for: it would end at the cache's border.</exception>
    public Tensor CachedAttention(
        Tensor qkv, AttentionShape shape, AttentionSegment* segments, in AttentionBounds bounds, Elements keys, Elements values) =>
        tape is null
            ? Attention(qkv, shape, segments, bounds, keys, values, shape.KvHeads * shape.HeadDim)
            : throw new InvalidOperationException("a step over a cache cannot be recorded: gradients end at the cache's border");

    private Tensor Attention(
        Tensor qkv, in AttentionShape shape, AttentionSegment* segments, in AttentionBounds bounds, Elements keys, Elements values,
        long keyValueStride)
    {
        var output = Allocate(qkv.Rows, shape.Heads * shape.HeadDim);
        bool records = tape is not null && qkv.Node >= 0;
        nint logSumExp = records ? arena.Allocate((long)qkv.Rows * shape.Heads * sizeof(float)) : 0;
        Kernels.Attention.Forward(
            device, shape, qkv.Data, qkv.Columns, segments, bounds with { IsInvariant = bounds.IsInvariant || IsInvariant }, keys, values,
            keyValueStride, output.Data, output.Columns, (float*)logSumExp);
        if (!records)
        {
            return output;
        }

        output = tape!.Track(output);
        tape.Add(new OperationRecord
        {
            Kind = OperationKind.Attention,
            Input = qkv,
            Output = output,
            Saved = logSumExp,
            Segments = (nint)segments,
            Bounds = bounds,
            Shape = shape,
        });
        return output;
    }

    /// <summary>h = silu(gate) · up, from the packed [tokens, 2·width] projection.</summary>
    public Tensor SwiGlu(Tensor gateUp)
    {
        int width = gateUp.Columns / 2;
        bool records = tape is not null && gateUp.Node >= 0;
        var output = AllocateOutput(gateUp.Rows, width, records);
        Kernels.SwiGlu.Forward(device, gateUp.Data, output.Data, gateUp.Rows, width);
        if (!records)
        {
            return output;
        }

        output = tape!.Track(output);
        tape.Add(new OperationRecord { Kind = OperationKind.SwiGlu, Input = gateUp, Output = output });
        return output;
    }

    /// <summary>The sum of two tensors of one shape, into <paramref name="destination"/> where it exists.</summary>
    public Tensor Add(Tensor first, Tensor second, Tensor destination = default)
    {
        var output = destination.Exists ? destination : Allocate(first.Rows, first.Columns);
        Residual.Add(device, first.Data, second.Data, output.Data, first.Count);
        if (tape is null || (first.Node < 0 && second.Node < 0))
        {
            return output;
        }

        output = tape.Track(output);
        tape.Add(new OperationRecord { Kind = OperationKind.Add, Input = first, Second = second, Output = output });
        return output;
    }

    /// <summary>
    /// Says that the forward needs a tensor no more. Where the tape can compute it again (<see cref="RecomputeLevel.Selective"/>),
    /// its memory is used for others.
    /// </summary>
    public void Forget(Tensor tensor) => tape?.Forget(tensor);

    /// <summary>
    /// Runs a part of the forward of which the tape keeps input and output alone, and which it runs again in the backward.
    /// </summary>
    /// <returns>The part's output, [input rows, input columns].</returns>
    public Tensor Checkpoint(IRecomputable part, Tensor input, int index)
    {
        var recording = tape ?? throw new InvalidOperationException("a checkpoint needs a tape");
        var output = Allocate(input.Rows, input.Columns);
        var mark = arena.Mark();
        _unrecorded ??= new Executor(device, arena, null) { IsInvariant = IsInvariant };
        part.Run(_unrecorded, input, index, output);
        arena.Release(mark);
        output = recording.Track(output);
        recording.Add(new OperationRecord
        {
            Kind = OperationKind.Checkpoint,
            Input = input,
            Output = output,
            Count = index,
            Part = part,
            Executor = this,
        });
        return output;
    }

    /// <summary>Room for an output that the tape may compute again: such room is borrowed and can be given back by <see cref="Forget"/>.</summary>
    private Tensor AllocateOutput(int rows, int columns, bool records) =>
        records && tape!.Recompute == RecomputeLevel.Selective ? tape.Borrow(rows, columns) : Allocate(rows, columns);

    /// <summary>The tensor that an operation changed in place, with a place on the tape even where its input had none.</summary>
    private Tensor TrackInPlace(Tensor tensor) => tensor.Node >= 0 ? tensor : tape!.Track(tensor);

    private bool Records(Tensor input, Parameter weight) => tape is not null && (input.Node >= 0 || weight.IsTrainable);
}
