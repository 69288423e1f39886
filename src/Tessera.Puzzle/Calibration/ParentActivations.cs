using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// The parent's residual stream at every depth over calibration batches, computed once and shared by channel scores,
/// blockwise distillation and replace-one-block scores.
/// </summary>
public sealed class ParentActivations : IDisposable
{
    private readonly Arena _arena;
    private readonly List<CalibrationBatch> _batches = [];

    /// <summary>Runs the parent over the batches and keeps every state.</summary>
    public ParentActivations(Device device, Decoder parent, IEnumerable<PackedBatch> batches)
    {
        Parent = parent;
        _arena = device.CreateArena("parent activations");
        foreach (var batch in batches)
        {
            var executor = new Executor(device, _arena, null);
            var step = StepBatch.Packed(_arena, batch.Ids, batch.Lengths);
            var states = new Tensor[parent.Layers.Count + 1];
            var final = Capture(executor, parent, step, states);
            _batches.Add(new CalibrationBatch(batch, step, states, final));
        }
    }

    /// <summary>The model the states come from.</summary>
    public Decoder Parent { get; }

    /// <summary>The batches with their states.</summary>
    public IReadOnlyList<CalibrationBatch> Batches => _batches;

    /// <summary>Input tokens of all batches.</summary>
    public long Tokens => _batches.Sum(batch => (long)batch.Step.Tokens);

    /// <summary>Bytes held.</summary>
    public long Bytes => _arena.CapacityBytes;

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private static Tensor Capture(Executor executor, Decoder parent, StepBatch step, Tensor[] states)
    {
        // The capture keeps every intermediate alive, so run it in its own arena and copy only the states.
        using var scratch = executor.Device.CreateArena("parent capture");
        var capture = new HiddenCapture();
        var inner = new Executor(executor.Device, scratch, null);
        var final = parent.Forward(inner, step, null, capture);
        for (int depth = 0; depth < states.Length; depth++)
        {
            states[depth] = Keep(executor.Arena, capture[depth]);
        }

        return Keep(executor.Arena, final);
    }

    /// <summary>A copy of a tensor in an arena that outlives the one it was computed in.</summary>
    internal static Tensor Keep(Arena arena, Tensor source)
    {
        var copy = new Tensor(arena.Allocate(source.Bytes), source.Rows, source.Columns, source.Type);
        arena.Memory.Copy(source.Address, copy.Address, source.Bytes);
        return copy;
    }
}

/// <summary>One calibration batch.</summary>
/// <param name="Batch">Tokens, targets and weights.</param>
/// <param name="Step">The same, ready to run.</param>
/// <param name="States">Residual stream in front of every layer and behind the last.</param>
/// <param name="Final">Normalised hidden states that the head sees.</param>
public sealed record CalibrationBatch(PackedBatch Batch, StepBatch Step, Tensor[] States, Tensor Final);
