using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <content>
/// What is computed again. Selectively: the output of a norm or of SwiGLU lies in borrowed room that is given back behind its
/// consumer, and <see cref="Walk"/> has it computed again in front of the consumer's backward. Fully: a checkpoint stands for the
/// records of a layer, which are made anew when the walk comes to it.
/// </content>
public sealed unsafe partial class Tape
{
    /// <summary>Room that <see cref="Forget"/> gives back.</summary>
    internal Tensor Borrow(int rows, int columns) =>
        new(_pool.Rent((long)rows * columns * _device.ActivationType.Bytes()), rows, columns, _device.ActivationType);

    /// <summary>Gives back the room of a borrowed tensor; its consumers' backwards compute it again.</summary>
    internal void Forget(Tensor tensor)
    {
        if (Recompute != RecomputeLevel.Selective || tensor.Node < 0)
        {
            return;
        }

        // The producer is among the last records: a tensor is forgotten as soon as its consumers have run.
        int producer = _records.Count - 1;
        while (producer >= 0 && _records[producer].Output.Node != tensor.Node)
        {
            producer--;
        }

        if (producer >= 0 && _records[producer].Kind is OperationKind.RmsNorm or OperationKind.AddRmsNorm or OperationKind.SwiGlu)
        {
            _pool.Return(tensor.Address);
            _nodes[tensor.Node] = _nodes[tensor.Node] with { Producer = producer };
        }
    }

    /// <summary>Computes the input of a record again if it was forgotten; returns the room to be given back, or 0.</summary>
    private nint Recall(ref OperationRecord record)
    {
        if (record.Input.Node < 0 || _nodes[record.Input.Node].Producer == Node.Kept)
        {
            return 0;
        }

        var producer = _records[_nodes[record.Input.Node].Producer];
        var output = Borrow(record.Input.Rows, record.Input.Columns);
        if (producer.Kind == OperationKind.SwiGlu)
        {
            SwiGlu.Forward(_device, producer.Input.Data, output.Data, output.Rows, output.Columns);
        }
        else
        {
            var normalised = producer.Kind == OperationKind.RmsNorm ? producer.Input : producer.SecondOutput;
            RmsNorm.Forward(
                _device, normalised.Data, producer.Weight!.Elements, output.Data, null, output.Rows, output.Columns, producer.Epsilon);
        }

        record.Input = record.Input with { Address = output.Address };
        return output.Address;
    }

    /// <summary>
    /// Records the part anew and walks these records. They read and write the gradient of the part's input under its own
    /// number, so sums have the order that they have without a checkpoint.
    /// </summary>
    private void CheckpointBackward(in OperationRecord record, nint gradient)
    {
        int firstRecord = _records.Count, firstNode = _nodes.Count;
        var mark = record.Executor!.Arena.Mark();
        var output = record.Part!.Run(record.Executor, record.Input, record.Count, default);
        if (output.Node < 0)
        {
            _pool.Return(gradient);
        }
        else
        {
            SetGradient(output, gradient);
            Walk(firstRecord);
        }

        CollectionsMarshal.SetCount(_records, firstRecord);
        CollectionsMarshal.SetCount(_nodes, firstNode);
        record.Executor.Arena.Release(mark);
    }
}
