using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Calibration;

/// <summary>Batches of calibration data, ready to be run by any model of one vocabulary.</summary>
public sealed class CalibrationSteps : IDisposable
{
    private readonly Arena _arena;
    private readonly int _positions;

    /// <summary>Brings ids, positions and borders of documents to the device; they stay there.</summary>
    public CalibrationSteps(Device device, IReadOnlyList<PackedBatch> batches)
    {
        Batches = batches;
        _arena = device.CreateArena("calibration tokens");
        Steps = [.. batches.Select(batch => StepBatch.Packed(_arena, batch.Ids, batch.Lengths))];
        _positions = Steps.Count == 0 ? 1 : Steps.Max(step => step.PositionLimit);
    }

    /// <summary>Tokens, targets and weights.</summary>
    public IReadOnlyList<PackedBatch> Batches { get; }

    /// <summary>The same, ready to run.</summary>
    public IReadOnlyList<StepBatch> Steps { get; }

    /// <summary>Batches.</summary>
    public int Count => Steps.Count;

    /// <summary>Tokens of all batches.</summary>
    public long Tokens => Steps.Sum(step => (long)step.Tokens);

    /// <summary>Tokens of the largest batch.</summary>
    public int LargestBatch => Steps.Max(step => step.Tokens);

    /// <summary>Bytes held on the device.</summary>
    public long Bytes => _arena.CapacityBytes;

    /// <summary>Makes a model's angles reach the last position, and refuses ids outside its vocabulary.</summary>
    /// <exception cref="ArgumentException">An id has no row in the token table.</exception>
    public void Prepare(ModelParts model)
    {
        model.Rope.EnsurePositions(_positions);
        foreach (var step in Steps)
        {
            StepBatch.CheckIds(step.HostIds, model.Configuration.VocabularySize);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();
}
