using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;
using Tessera.Training.Data;

namespace Tessera.Training.Objectives;

/// <summary>
/// Computes the losses of a batch and, with a tape, their gradients: cross-entropy, divergence from a teacher, cosine
/// between hidden states along a layer map, and any sum of them.
/// </summary>
/// <remarks>
/// Gradients are scaled by 1 / <c>normaliser</c>, the weight of all micro-batches of the step, so that accumulating several
/// equals one large batch up to rounding.
/// </remarks>
public sealed unsafe class Objective : IDisposable
{
    private readonly Device _device;
    private readonly Decoder _student;
    private readonly Decoder? _teacher;
    private readonly int[] _layerMap;
    private readonly ObjectiveWeights _weights;
    private readonly int _mappedLayers;
    private readonly Arena _studentArena;
    private readonly Arena _teacherArena;
    private readonly Arena _lossArena;
    private readonly Tape _tape;
    private readonly Executor _recording;
    private readonly Executor _scoring;
    private readonly Executor _teaching;
    private readonly LossPass _pass = new();
    private readonly HiddenCapture _studentStates = new();
    private readonly HiddenCapture _teacherStates = new();
    private StepBatch? _studentStep;
    private StepBatch? _teacherStep;

    /// <summary>An objective for one student.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="student">The model whose loss is taken.</param>
    /// <param name="weights">What counts.</param>
    /// <param name="teacher">Needed for divergence and cosine.</param>
    /// <param name="layerMap">For every student layer the teacher layer it is compared with, or −1; null is the identity.</param>
    /// <param name="recompute">What is computed again for the backward instead of being kept.</param>
    /// <exception cref="ArgumentException">A teacher is missing, or the map or the widths do not fit.</exception>
    public Objective(
        Device device, Decoder student, ObjectiveWeights weights, Decoder? teacher = null, IReadOnlyList<int>? layerMap = null,
        RecomputeLevel recompute = RecomputeLevel.None)
    {
        _device = device;
        _student = student;
        _weights = weights;
        _teacher = teacher;
        _studentArena = device.CreateArena("activations");
        _teacherArena = device.CreateArena("teacher activations");
        _lossArena = device.CreateArena("losses");
        _tape = new Tape(device, recompute);
        _recording = new Executor(device, _studentArena, _tape);
        _scoring = new Executor(device, _studentArena, null);
        _teaching = new Executor(device, _teacherArena, null);
        _layerMap = layerMap is null ? [.. Enumerable.Range(0, student.Layers.Count)] : [.. layerMap];
        _mappedLayers = _layerMap.Count(layer => layer >= 0);
        try
        {
            Validate();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where it keeps what a batch needs.</summary>
    public IEnumerable<Arena> Arenas => [_studentArena, _tape.Arena, _teacherArena, _lossArena];

    /// <summary>Told where the time of <see cref="Accumulate"/> goes, if not null.</summary>
    public OperationClock? Clock
    {
        get => _tape.Clock;
        set => _tape.Clock = value;
    }

    /// <summary>Losses of a batch without gradients.</summary>
    public LossValues Evaluate(PackedBatch batch) => Run(batch, 0);

    /// <summary>
    /// Losses of a batch; adds the gradient of their weighted sum, divided by <paramref name="normaliser"/>, to the
    /// student's trainable parameters.
    /// </summary>
    public LossValues Accumulate(PackedBatch batch, double normaliser) => Run(batch, normaliser);

    /// <inheritdoc />
    public void Dispose()
    {
        _tape.Dispose();
        _studentArena.Dispose();
        _teacherArena.Dispose();
        _lossArena.Dispose();
    }

    private LossValues Run(PackedBatch batch, double normaliser)
    {
        bool wantsGradient = normaliser > 0;
        _studentArena.Reset();
        _teacherArena.Reset();
        _lossArena.Reset();
        _tape.Reset();
        var executor = wantsGradient ? _recording : _scoring;
        _studentStep = StepBatch.Packed(_studentArena, batch.Ids, batch.Lengths, _studentStep);
        var hidden = _student.Forward(executor, _studentStep, null, _weights.Cosine != 0 ? _studentStates : null);
        var teacherHidden = RunTeacher(batch);

        bool hasCrossEntropy = _weights.CrossEntropy != 0 || !_weights.NeedsTeacher, hasDivergence = _weights.Divergence != 0;
        int cosines = _weights.Cosine != 0 ? _mappedLayers : 0;
        int losses = (hasCrossEntropy ? 1 : 0) + (hasDivergence ? 1 : 0) + cosines;
        _pass.Begin(batch, _student.Head.Rows, _lossArena, losses, wantsGradient ? (float)(1 / normaliser) : 1f);
        var gradHidden = wantsGradient && hidden.Node >= 0 ? _tape.GradientOf(hidden) : default;
        if (hasCrossEntropy)
        {
            CrossEntropy(hidden, gradHidden);
        }

        if (hasDivergence)
        {
            Divergence(hidden, teacherHidden, gradHidden);
        }

        if (cosines > 0)
        {
            Cosine(wantsGradient);
        }

        if (wantsGradient)
        {
            _tape.Backward();
        }

        _pass.Fetch();
        int number = 0;
        double crossEntropy = hasCrossEntropy ? _pass.Mean(number++) : 0, divergence = hasDivergence ? _pass.Mean(number++) : 0;
        double cosine = 0;
        while (number < losses)
        {
            cosine += _pass.Mean(number++);
        }

        return new LossValues(crossEntropy, divergence, cosine / Math.Max(1, cosines), batch.WeightSum);
    }

    private Tensor RunTeacher(PackedBatch batch)
    {
        if (_teacher is null || !_weights.NeedsTeacher)
        {
            return default;
        }

        _teacherStep = StepBatch.Packed(_teacherArena, batch.Ids, batch.Lengths, _teacherStep);
        return _teacher.Forward(_teaching, _teacherStep, null, _weights.Cosine != 0 ? _teacherStates : null);
    }

    private void CrossEntropy(Tensor hidden, Elements gradHidden)
    {
        var head = _student.Head;
        LinearCrossEntropy.Run(
            _device, hidden.Data, head.View, _pass.Targets, _pass.Weights, _pass.Ask(), gradHidden,
            gradHidden.Exists ? head.Gradient : default, hidden.Rows, hidden.Columns, head.Rows,
            _pass.Scale * (float)_weights.CrossEntropy);
    }

    private void Divergence(Tensor hidden, Tensor teacherHidden, Elements gradHidden)
    {
        var head = _student.Head;
        LinearKl.Run(
            _device, hidden.Data, head.View, teacherHidden.Data, _teacher!.Head.View, _pass.Weights, _weights.Temperature,
            _pass.Ask(), gradHidden, true, gradHidden.Exists ? head.Gradient : default, hidden.Rows, hidden.Columns,
            teacherHidden.Columns, head.Rows, _pass.Scale * (float)_weights.Divergence);
    }

    private void Cosine(bool wantsGradient)
    {
        for (int layer = 0; layer < _layerMap.Length; layer++)
        {
            if (_layerMap[layer] < 0)
            {
                continue;
            }

            var student = _studentStates[layer + 1];
            var teacher = _teacherStates[_layerMap[layer] + 1];
            var gradient = wantsGradient && student.Node >= 0 ? _tape.GradientOf(student) : default;
            HiddenLoss.Cosine(
                _device, student.Data, teacher.Data, _pass.Weights, _pass.Ask(), gradient, student.Rows, student.Columns,
                _pass.Scale * (float)(_weights.Cosine / _mappedLayers));
        }
    }

    private void Validate()
    {
        if (!_weights.NeedsTeacher)
        {
            return;
        }

        if (_teacher is null)
        {
            throw new ArgumentException("divergence and cosine losses need a teacher");
        }

        if (_teacher.Configuration.VocabularySize != _student.Configuration.VocabularySize)
        {
            throw new ArgumentException(
                $"teacher and student have different vocabularies: {_teacher.Configuration.VocabularySize} and "
                + $"{_student.Configuration.VocabularySize} tokens");
        }

        if (_weights.Cosine == 0)
        {
            return;
        }

        if (_layerMap.Length != _student.Layers.Count || _layerMap.Any(layer => layer < -1 || layer >= _teacher.Layers.Count))
        {
            throw new ArgumentException(
                $"the layer map must name one of the teacher's {_teacher.Layers.Count} layers, or -1, for each of the "
                + $"student's {_student.Layers.Count} layers");
        }

        if (_teacher.Configuration.HiddenSize != _student.Configuration.HiddenSize)
        {
            throw new ArgumentException(
                $"the cosine loss needs equal hidden sizes, teacher has {_teacher.Configuration.HiddenSize}, student "
                + $"{_student.Configuration.HiddenSize}");
        }
    }
}
