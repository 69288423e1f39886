using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>
/// The record of a forward pass, walked in reverse by <see cref="Backward"/>. Operations are coarse and have hand-written
/// backwards; there is no general differentiation.
/// </summary>
/// <remarks>
/// Conventions: gradients of parameters accumulate over passes; gradients of activations are assigned by their first
/// consumer and accumulated by the others; a gradient's buffer goes back to the pool as soon as its producer has used it.
/// Losses are not on the tape: they write the gradient of the tensor they look at (<see cref="GradientOf"/>) beforehand.
/// Same sequence of operations → same addresses → same bits.
/// </remarks>
public sealed unsafe partial class Tape : IDisposable
{
    private readonly Device _device;
    private readonly Arena _arena;
    private readonly GradientPool _pool;
    private readonly List<OperationRecord> _records = [];
    private readonly List<Node> _nodes = [];

    /// <summary>An empty tape.</summary>
    /// <param name="device">Where backwards run.</param>
    /// <param name="recompute">What it keeps of a forward.</param>
    public Tape(Device device, RecomputeLevel recompute = RecomputeLevel.None)
    {
        _device = device;
        _arena = device.CreateArena("activation gradients");
        _pool = new GradientPool(_arena);
        Recompute = recompute;
    }

    /// <summary>What is computed again for the backward.</summary>
    public RecomputeLevel Recompute { get; }

    /// <summary>Told where the time goes, if not null.</summary>
    public OperationClock? Clock { get; set; }

    /// <summary>Owner of the gradients of activations, and of what is computed again.</summary>
    public Arena Arena => _arena;

    /// <summary>Forgets the recorded pass.</summary>
    public void Reset()
    {
        _records.Clear();
        _nodes.Clear();
        _pool.Clear();
        _arena.Reset();
    }

    /// <summary>
    /// The gradient buffer of a recorded tensor, zeroed when it is asked for the first time. A loss adds into it.
    /// </summary>
    public Elements GradientOf(Tensor tensor)
    {
        var gradient = Claim(tensor, out bool exists);
        if (!exists)
        {
            _device.Clear(gradient.Address, tensor.Bytes);
        }

        return gradient;
    }

    /// <summary>Carries the gradients written by losses back to every trainable parameter.</summary>
    public void Backward()
    {
        Clock?.Lap("losses");
        Walk(0);
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    /// <summary>Gives a tensor a place on the tape.</summary>
    internal Tensor Track(Tensor tensor)
    {
        _nodes.Add(new Node(0, Node.Kept));
        return tensor with { Node = _nodes.Count - 1 };
    }

    internal void Add(in OperationRecord record)
    {
        _records.Add(record);
        Clock?.Lap(record.Describe("forward"));
    }

    /// <summary>Walks the records from the last one back to number <paramref name="first"/>.</summary>
    private void Walk(int first)
    {
        for (int i = _records.Count - 1; i >= first; i--)
        {
            var record = _records[i];
            nint recalled = Recall(ref record);
            Step(record);
            Clock?.Lap(record.Describe("backward"));
            if (recalled != 0)
            {
                _pool.Return(recalled);
            }
        }
    }

    private void Step(in OperationRecord record)
    {
        if (record.Kind == OperationKind.AddRmsNorm)
        {
            AddRmsNormBackward(record);
            return;
        }

        nint gradient = _nodes[record.Output.Node].Gradient;
        if (gradient == 0)
        {
            return;
        }

        switch (record.Kind)
        {
            case OperationKind.Rope:
                // In place: input and output are one tensor, so its gradient is rotated back and stays.
                Rope.Backward(
                    _device, Gradient(record.Output), record.Output.Columns, record.Count, record.Shape.HeadDim,
                    (int*)record.Saved, record.Output.Rows, record.Table!);
                return;
            case OperationKind.Bias:
                // In place, and the gradient of a sum is that of its summands: it stays.
                BiasBackward(record, Gradient(record.Output));
                return;
            case OperationKind.QkvEpilogue:
                QkvEpilogue.Backward(
                    _device, record.Shape, Gradient(record.Output), record.Qkv!.Weights, record.Qkv.Gradients, (int*)record.Saved,
                    record.Output.Rows, record.Table!, record.NormInput.Data, (float*)record.InverseRms);
                return;
            case OperationKind.Checkpoint:
                SetGradient(record.Output, 0);
                CheckpointBackward(record, gradient);
                return;
            case OperationKind.Embed:
                Embedding.Backward(
                    _device, (int*)record.Saved, Gradient(record.Output), record.Weight!.Gradient, record.Output.Rows,
                    record.Weight.Rows, record.Weight.Columns);
                break;
            case OperationKind.RmsNorm:
                NormBackward(record, record.Input);
                return;
            case OperationKind.Linear:
                LinearBackward(record, Gradient(record.Output));
                break;
            case OperationKind.Attention:
                AttentionBackward(record, Gradient(record.Output));
                break;
            case OperationKind.SwiGlu:
                SwiGluBackward(record, Gradient(record.Output));
                break;
            case OperationKind.Add:
                Pass(record.Input, gradient);
                Pass(record.Second, gradient);
                break;
            default:
                throw new InvalidOperationException($"no backward for {record.Kind}");
        }

        _pool.Return(gradient);
        SetGradient(record.Output, 0);
    }

    private void SetGradient(Tensor tensor, nint gradient) =>
        _nodes[tensor.Node] = _nodes[tensor.Node] with { Gradient = gradient };

    /// <summary>The gradient that a tensor has by now, stored as the tensor is.</summary>
    private Elements Gradient(Tensor tensor) => new(_nodes[tensor.Node].Gradient, tensor.Type);

    private Elements Claim(Tensor tensor, out bool exists)
    {
        nint gradient = _nodes[tensor.Node].Gradient;
        exists = gradient != 0;
        if (!exists)
        {
            gradient = _pool.Rent(tensor.Bytes);
            SetGradient(tensor, gradient);
        }
        else if (_pool.IsShared(gradient))
        {
            // Somebody else still reads these numbers: write into a copy.
            nint copy = _pool.Rent(tensor.Bytes);
            _device.Copy(gradient, copy, tensor.Bytes);
            _pool.Return(gradient);
            SetGradient(tensor, gradient = copy);
        }

        return new Elements(gradient, tensor.Type);
    }

    /// <summary>Hands an output's gradient to an input unchanged: shared if the input has none yet, else added.</summary>
    private void Pass(Tensor input, nint gradient)
    {
        if (input.Node < 0)
        {
            return;
        }

        if (_nodes[input.Node].Gradient == 0)
        {
            _pool.Share(gradient);
            SetGradient(input, gradient);
            return;
        }

        Residual.Accumulate(_device, Claim(input, out _), new Elements(gradient, input.Type), input.Count);
    }

    /// <summary>Takes the gradient of a norm's output: it is added to the one of what was normalised, or becomes it in place.</summary>
    private void NormBackward(in OperationRecord record, Tensor normalised)
    {
        bool accumulates = normalised.Node >= 0 && _nodes[normalised.Node].Gradient != 0;
        var gradOutput = accumulates ? Gradient(record.Output) : Claim(record.Output, out _);
        var gradInput = accumulates ? Claim(normalised, out _) : gradOutput;
        var weight = record.Weight!;
        RmsNorm.Backward(
            _device, gradOutput, normalised.Data, (float*)record.Saved, weight.Elements, gradInput, weight.Gradient, normalised.Rows,
            normalised.Columns);
        SetGradient(record.Output, 0);
        if (accumulates || normalised.Node < 0)
        {
            _pool.Return(gradOutput.Address);
        }
        else
        {
            SetGradient(normalised, gradOutput.Address);
        }
    }

    private void AddRmsNormBackward(in OperationRecord record)
    {
        if (_nodes[record.Output.Node].Gradient != 0)
        {
            NormBackward(record, record.SecondOutput);
        }

        // The gradient of a sum is that of both summands.
        nint gradient = _nodes[record.SecondOutput.Node].Gradient;
        if (gradient != 0)
        {
            Pass(record.Input, gradient);
            Pass(record.Second, gradient);
            _pool.Return(gradient);
            SetGradient(record.SecondOutput, 0);
        }
    }

    private void BiasBackward(in OperationRecord record, Elements gradOutput)
    {
        if (record.Weight!.IsTrainable)
        {
            Bias.Backward(_device, gradOutput, record.Weight.Gradient, record.Output.Rows, record.Output.Columns);
        }
    }

    private void LinearBackward(in OperationRecord record, Elements gradOutput)
    {
        var weight = record.Weight!;
        if (weight.IsTrainable)
        {
            var gradWeight = weight.ClaimGradient(out bool accumulateWeight);
            Linear.BackwardWeight(
                _device, record.Input.Data, record.Input.Columns, gradOutput, record.Output.Columns, gradWeight,
                record.Input.Rows, weight.Rows, weight.Columns, accumulateWeight);
            Clock?.Lap(record.Describe("backward weight"));
        }

        if (record.Input.Node >= 0)
        {
            var gradInput = Claim(record.Input, out bool accumulate);
            Linear.BackwardInput(
                _device, gradOutput, record.Output.Columns, weight.View, gradInput, record.Input.Columns,
                record.Input.Rows, accumulate);
        }
    }

    private void AttentionBackward(in OperationRecord record, Elements gradOutput)
    {
        var qkv = record.Input;
        var shape = record.Shape;
        var gradQkv = ClaimUnwritten(qkv);
        int keys = shape.Heads * shape.HeadDim;
        int values = keys + (shape.KvHeads * shape.HeadDim);
        Attention.Backward(
            _device, shape, qkv.Data, qkv.Columns, (AttentionSegment*)record.Segments, record.Bounds, qkv.Data + keys,
            qkv.Data + values, qkv.Columns, record.Output.Data, gradOutput, record.Output.Columns, (float*)record.Saved, gradQkv, gradQkv + keys,
            gradQkv + values, qkv.Columns);
    }

    private void SwiGluBackward(in OperationRecord record, Elements gradOutput) =>
        SwiGlu.Backward(
            _device, record.Input.Data, gradOutput, ClaimUnwritten(record.Input), record.Input.Rows, record.Output.Columns);

    /// <summary>The gradient of a tensor whose only consumer is the operation at hand.</summary>
    private Elements ClaimUnwritten(Tensor tensor)
    {
        var gradient = Claim(tensor, out bool exists);
        return exists
            ? throw new InvalidOperationException("this tensor has one consumer by construction, yet its gradient was written before")
            : gradient;
    }

    /// <summary>What the tape knows of a tensor.</summary>
    /// <param name="Gradient">Its gradient's buffer, or 0.</param>
    /// <param name="Producer">The record that computes it again where it was forgotten.</param>
    private readonly record struct Node(nint Gradient, int Producer)
    {
        public const int Kept = -1;
    }
}
