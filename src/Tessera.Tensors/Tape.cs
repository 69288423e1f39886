using System.Runtime.InteropServices;
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
public sealed unsafe class Tape : IDisposable
{
    private readonly Device _device;
    private readonly Arena _arena = new("activation gradients");
    private readonly GradientPool _pool;
    private readonly List<OperationRecord> _records = [];
    private readonly List<nint> _gradients = [];

    /// <summary>An empty tape.</summary>
    public Tape(Device device)
    {
        _device = device;
        _pool = new GradientPool(_arena);
    }

    /// <summary>Forgets the recorded pass.</summary>
    public void Reset()
    {
        _records.Clear();
        _gradients.Clear();
        _pool.Clear();
        _arena.Reset();
    }

    /// <summary>
    /// The gradient buffer of a recorded tensor, zeroed when it is asked for the first time. A loss adds into it.
    /// </summary>
    public float* GradientOf(Tensor tensor)
    {
        float* gradient = Claim(tensor, out bool exists);
        if (!exists)
        {
            NativeMemory.Clear(gradient, (nuint)(tensor.Count * sizeof(float)));
        }

        return gradient;
    }

    /// <summary>Carries the gradients written by losses back to every trainable parameter.</summary>
    public void Backward()
    {
        var records = CollectionsMarshal.AsSpan(_records);
        for (int i = records.Length - 1; i >= 0; i--)
        {
            ref readonly var record = ref records[i];
            if (record.Kind == OperationKind.AddRmsNorm)
            {
                AddRmsNormBackward(record);
                continue;
            }

            nint gradient = _gradients[record.Output.Node];
            if (gradient == 0)
            {
                continue;
            }

            switch (record.Kind)
            {
                case OperationKind.Bias:
                    // In place, and the gradient of a sum is that of its summands: it stays.
                    BiasBackward(record, (float*)gradient);
                    continue;
                case OperationKind.QkvEpilogue:
                    QkvEpilogue.Backward(
                        _device, record.Shape, (float*)gradient, record.Qkv!.Weights, record.Qkv.Gradients, (int*)record.Saved,
                        record.Output.Rows, record.Table!, (float*)record.NormInput, (float*)record.InverseRms);
                    continue;
                case OperationKind.Rope:
                    // In place: input and output are one tensor, so its gradient is rotated back and stays.
                    Rope.Backward(
                        _device, (float*)gradient, record.Output.Columns, record.Count, record.Shape.HeadDim,
                        (int*)record.Saved, record.Output.Rows, record.Table!);
                    continue;
                case OperationKind.Embed:
                    Embedding.Backward(
                        _device, (int*)record.Saved, (float*)gradient, record.Weight!.Gradient, record.Output.Rows,
                        record.Weight.Rows, record.Weight.Columns);
                    break;
                case OperationKind.RmsNorm:
                    NormBackward(record, (float*)gradient);
                    break;
                case OperationKind.Linear:
                    LinearBackward(record, (float*)gradient);
                    break;
                case OperationKind.Attention:
                    AttentionBackward(record, (float*)gradient);
                    break;
                case OperationKind.SwiGlu:
                    SwiGluBackward(record, (float*)gradient);
                    break;
                case OperationKind.Add:
                    Pass(record.Input, gradient);
                    Pass(record.Second, gradient);
                    break;
                default:
                    throw new InvalidOperationException($"no backward for {record.Kind}");
            }

            _pool.Return(gradient);
            _gradients[record.Output.Node] = 0;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    /// <summary>Gives a tensor a place on the tape.</summary>
    internal Tensor Track(Tensor tensor)
    {
        _gradients.Add(0);
        return tensor with { Node = _gradients.Count - 1 };
    }

    internal void Add(in OperationRecord record) => _records.Add(record);

    private float* Claim(Tensor tensor, out bool exists)
    {
        nint gradient = _gradients[tensor.Node];
        exists = gradient != 0;
        if (!exists)
        {
            gradient = _pool.Rent(tensor.Count * sizeof(float));
            _gradients[tensor.Node] = gradient;
        }
        else if (_pool.IsShared(gradient))
        {
            // Somebody else still reads these numbers: write into a copy.
            nint copy = _pool.Rent(tensor.Count * sizeof(float));
            NativeMemory.Copy((void*)gradient, (void*)copy, (nuint)(tensor.Count * sizeof(float)));
            _pool.Return(gradient);
            _gradients[tensor.Node] = gradient = copy;
        }

        return (float*)gradient;
    }

    /// <summary>Hands an output's gradient to an input unchanged: shared if the input has none yet, else added.</summary>
    private void Pass(Tensor input, nint gradient)
    {
        if (input.Node < 0)
        {
            return;
        }

        if (_gradients[input.Node] == 0)
        {
            _pool.Share(gradient);
            _gradients[input.Node] = gradient;
            return;
        }

        Residual.Accumulate(_device, Claim(input, out _), (float*)gradient, input.Count);
    }

    private void NormBackward(in OperationRecord record, float* gradOutput)
    {
        var weight = record.Weight!;
        if (record.Input.Node >= 0)
        {
            float* gradInput = Claim(record.Input, out bool accumulate);
            RmsNorm.Backward(
                _device, gradOutput, record.Input.Data, (float*)record.Saved, weight.Floats, gradInput, accumulate,
                weight.Gradient, record.Input.Rows, record.Input.Columns);
            return;
        }

        nint scratch = _pool.Rent(record.Input.Count * sizeof(float));
        RmsNorm.Backward(
            _device, gradOutput, record.Input.Data, (float*)record.Saved, weight.Floats, (float*)scratch, false,
            weight.Gradient, record.Input.Rows, record.Input.Columns);
        _pool.Return(scratch);
    }

    private void AddRmsNormBackward(in OperationRecord record)
    {
        nint gradOutput = _gradients[record.Output.Node];
        if (gradOutput == 0 && _gradients[record.SecondOutput.Node] == 0)
        {
            return;
        }

        // The incoming gradient of the updated residual becomes, in place, the gradient of both summands.
        float* gradSum = Claim(record.SecondOutput, out bool accumulate);
        if (gradOutput != 0)
        {
            var weight = record.Weight!;
            RmsNorm.Backward(
                _device, (float*)gradOutput, record.SecondOutput.Data, (float*)record.Saved, weight.Floats, gradSum,
                accumulate, weight.Gradient, record.Output.Rows, record.Output.Columns);
            _pool.Return(gradOutput);
            _gradients[record.Output.Node] = 0;
        }

        Pass(record.Input, (nint)gradSum);
        Pass(record.Second, (nint)gradSum);
        _pool.Return((nint)gradSum);
        _gradients[record.SecondOutput.Node] = 0;
    }

    private void BiasBackward(in OperationRecord record, float* gradOutput)
    {
        if (record.Weight!.IsTrainable)
        {
            Bias.Backward(_device, gradOutput, record.Weight.Gradient, record.Output.Rows, record.Output.Columns);
        }
    }

    private void LinearBackward(in OperationRecord record, float* gradOutput)
    {
        var weight = record.Weight!;
        if (weight.IsTrainable)
        {
            Linear.BackwardWeight(
                _device, record.Input.Data, record.Input.Columns, gradOutput, record.Output.Columns, weight.Gradient,
                record.Input.Rows, weight.Rows, weight.Columns);
        }

        if (record.Input.Node >= 0)
        {
            float* gradInput = Claim(record.Input, out bool accumulate);
            Linear.BackwardInput(
                _device, gradOutput, record.Output.Columns, weight.View, gradInput, record.Input.Columns,
                record.Input.Rows, accumulate);
        }
    }

    private void AttentionBackward(in OperationRecord record, float* gradOutput)
    {
        var qkv = record.Input;
        var shape = record.Shape;
        float* gradQkv = ClaimUnwritten(qkv);
        int keys = shape.Heads * shape.HeadDim;
        int values = keys + (shape.KvHeads * shape.HeadDim);
        Attention.Backward(
            _device, shape, qkv.Data, qkv.Columns, (AttentionSegment*)record.Segments, record.Count, qkv.Columns,
            record.Output.Data, gradOutput, record.Output.Columns, (float*)record.Saved, gradQkv, gradQkv + keys,
            gradQkv + values, qkv.Columns);
    }

    private void SwiGluBackward(in OperationRecord record, float* gradOutput) =>
        SwiGlu.Backward(
            _device, record.Input.Data, gradOutput, ClaimUnwritten(record.Input), record.Input.Rows, record.Output.Columns);

    /// <summary>The gradient of a tensor whose only consumer is the operation at hand.</summary>
    private float* ClaimUnwritten(Tensor tensor)
    {
        float* gradient = Claim(tensor, out bool exists);
        return exists
            ? throw new InvalidOperationException("this tensor has one consumer by construction, yet its gradient was written before")
            : gradient;
    }
}
