using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models;

/// <summary>
/// The residual stream while a forward runs: the sum so far and the branch that the next norm will add.
/// </summary>
/// <remarks>
/// Where nothing looks back (no tape, no capture) the sum is updated in place and a sub-block's intermediate tensors are
/// given back as soon as its branch is written, so memory does not grow with depth. Elsewhere each sum takes the place of its branch, which
/// no backward reads.
/// </remarks>
internal struct ResidualStream
{
    private readonly Executor _executor;
    private readonly float _epsilon;
    private readonly bool _recycles;
    private readonly Tensor _spareRoom;
    private bool _ownsResidual;
    private Tensor _branchRoom;
    private Tensor _branch;

    public ResidualStream(Executor executor, ModelConfiguration configuration, Tensor residual, bool ownsResidual, bool keepsAll)
    {
        _executor = executor;
        _epsilon = (float)configuration.RmsNormEpsilon;
        _recycles = executor.Tape is null && !keepsAll;
        _ownsResidual = _recycles && ownsResidual;
        Residual = residual;
        if (_recycles)
        {
            _branchRoom = executor.Allocate(residual.Rows, residual.Columns);
            _spareRoom = _ownsResidual ? default : executor.Allocate(residual.Rows, residual.Columns);
        }
    }

    /// <summary>The sum without the pending branch.</summary>
    public Tensor Residual { get; private set; }

    /// <summary>Normalises the stream, runs a sub-block on it and leaves its branch pending.</summary>
    /// <param name="subBlock">What to run.</param>
    /// <param name="step">The step's tokens.</param>
    /// <param name="cache">Earlier positions, or null.</param>
    /// <param name="layer">The sub-block's layer.</param>
    /// <param name="capture">Told about the sum in front of the sub-block, if not null.</param>
    public void Run(SubBlock subBlock, StepBatch step, KeyValueCache? cache, int layer, HiddenCapture? capture)
    {
        var mark = _executor.Arena.Mark();
        var normalised = Normalise(subBlock.Norm);
        capture?.Reach(layer, Residual);
        _branch = subBlock.Apply(_executor, normalised, step, cache, layer, _branchRoom);
        if (_recycles)
        {
            _executor.Arena.Release(mark);
        }
        else
        {
            _executor.Forget(normalised);
        }
    }

    /// <summary>Adds the pending branch and normalises: the end of the model.</summary>
    public Tensor Normalise(Parameter gain)
    {
        if (!_branch.Exists)
        {
            return _executor.RmsNorm(Residual, gain, _epsilon);
        }

        (Residual, var normalised) = _executor.AddRmsNorm(Residual, _branch, gain, _epsilon, _ownsResidual);
        if (_recycles && !_ownsResidual)
        {
            // The sum so far is somebody else's, and this one lies where the branch did: the next branch has the spare room.
            _branchRoom = _spareRoom;
            _ownsResidual = true;
        }

        return normalised;
    }

    /// <summary>Adds the pending branch: the output of the last layer that ran.</summary>
    public readonly Tensor Materialise(Tensor destination = default) =>
        _branch.Exists ? _executor.Add(Residual, _branch, destination) : Residual;
}
