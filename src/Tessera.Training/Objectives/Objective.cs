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
/// On a device that records, batches are padded to a <see cref="BatchExtent"/>; forward, losses and backward of a batch are recorded for
/// each extent and launched as a whole, what differs between batches is uploaded before. With <c>eager</c> the same padded batches ask for
/// kernel after kernel: the bits are the same.
/// </remarks>
public sealed unsafe class Objective : IDisposable
{
    // Batches of a few numbers of documents, some longer than others, with and without gradients.
    private const int MostRecordings = 16;

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
    private readonly BatchPadding _padding = new();
    private readonly LossPass _pass = new();
    private readonly HiddenCapture _studentStates = new();
    private readonly HiddenCapture _teacherStates = new();
    private readonly WorkRecorder<RecordingKey, Parameter[]> _recorder;
    private readonly bool _eager;
    private readonly ParameterWatch _watch;
    private readonly Parameter[] _parameters;
    private readonly Func<Parameter[]> _learn;
    private readonly Func<Parameter[]> _score;
    private StepBatch? _studentStep;
    private StepBatch? _teacherStep;

    /// <summary>An objective for one student.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="student">The model whose loss is taken.</param>
    /// <param name="weights">What counts.</param>
    /// <param name="teacher">Needed for divergence and cosine.</param>
    /// <param name="layerMap">For every student layer the teacher layer it is compared with, or −1; null is the identity.</param>
    /// <param name="recompute">What is computed again for the backward instead of being kept.</param>
    /// <param name="eager">Whether nothing is recorded: the reference of what is.</param>
    /// <exception cref="ArgumentException">A teacher is missing, or the map or the widths do not fit.</exception>
    public Objective(
        Device device, Decoder student, ObjectiveWeights weights, Decoder? teacher = null, IReadOnlyList<int>? layerMap = null,
        RecomputeLevel recompute = RecomputeLevel.None, bool eager = false)
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
        _parameters = [.. student.Parameters];
        _watch = new ParameterWatch([.. _parameters, .. weights.NeedsTeacher && teacher is not null ? teacher.Parameters : []]);
        _eager = eager;
        _recorder = new WorkRecorder<RecordingKey, Parameter[]>(device, MostRecordings);
        _learn = () => ComputeAndTell(wantsGradient: true);
        _score = () => ComputeAndTell(wantsGradient: false);
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

    /// <summary>Times that a batch's work was recorded, and that a recording was launched.</summary>
    public (long Recordings, long Launches) Recorded => (_recorder.Recordings, _recorder.Launches);

    /// <inheritdoc />
    public void Dispose()
    {
        _recorder.Dispose();
        _tape.Dispose();
        _studentArena.Dispose();
        _teacherArena.Dispose();
        _lossArena.Dispose();
    }

    private LossValues Run(PackedBatch given, double normaliser)
    {
        bool wantsGradient = normaliser > 0;
        _studentArena.Reset();
        _teacherArena.Reset();
        _lossArena.Reset();
        _tape.Reset();
        bool records = _device.RecordsWork && given.Ids.Length > 0;
        var (batch, extent) = records ? _padding.Pad(given) : (given, default);
        _studentStep = Prepare(_student, _studentArena, batch, extent, _studentStep);
        if (_teacher is not null && _weights.NeedsTeacher)
        {
            _teacherStep = Prepare(_teacher, _teacherArena, batch, extent, _teacherStep);
        }

        bool hasCrossEntropy = HasCrossEntropy, hasDivergence = _weights.Divergence != 0;
        int cosines = _weights.Cosine != 0 ? _mappedLayers : 0;
        int losses = (hasCrossEntropy ? 1 : 0) + (hasDivergence ? 1 : 0) + cosines;
        _pass.Begin(batch, _student.Head.Rows, _lossArena, losses, wantsGradient ? (float)(1 / normaliser) : 1f, records);
        if (records && !_eager && Clock is null)
        {
            Launch(extent, wantsGradient);
        }
        else
        {
            // Eager work is the reference; and a launch as a whole has no parts that a clock could tell apart.
            Compute(wantsGradient);
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

    private bool HasCrossEntropy => _weights.CrossEntropy != 0 || !_weights.NeedsTeacher;

    private static StepBatch Prepare(Decoder model, Arena arena, PackedBatch batch, BatchExtent extent, StepBatch? reuse)
    {
        var step = StepBatch.Packed(arena, batch.Ids, batch.Lengths, reuse, extent.Documents, extent.Longest);
        model.Prepare(arena, step, null);
        return step;
    }

    private void Launch(BatchExtent extent, bool wantsGradient)
    {
        if (_watch.HasMoved((nint)_student.Rope.Cosines, (nint)(_teacher is null ? null : _teacher.Rope.Cosines)))
        {
            _recorder.Clear();
        }

        int clear = 0;
        foreach (var parameter in _parameters)
        {
            clear += parameter.IsGradientClear ? 1 : 0;
        }

        // A launch tells nobody whose gradients it has assigned.
        foreach (var parameter in _recorder.Run(new RecordingKey(extent, wantsGradient, clear), wantsGradient ? _learn : _score))
        {
            parameter.MarkGradientAssigned();
        }
    }

    /// <summary>As <see cref="Compute"/>; returns the parameters whose gradients were clear before and hold values now.</summary>
    private Parameter[] ComputeAndTell(bool wantsGradient)
    {
        Parameter[] clear = [.. _parameters.Where(parameter => parameter.IsGradientClear)];
        Compute(wantsGradient);
        return [.. clear.Where(parameter => !parameter.IsGradientClear)];
    }

    /// <summary>The device's part of a batch: what is recorded.</summary>
    private void Compute(bool wantsGradient)
    {
        var hidden = _student.Compute(
            wantsGradient ? _recording : _scoring, _studentStep!, null, _weights.Cosine != 0 ? _studentStates : null);
        var teacherHidden = _teacher is not null && _weights.NeedsTeacher
            ? _teacher.Compute(_teaching, _teacherStep!, null, _weights.Cosine != 0 ? _teacherStates : null)
            : default;
        var gradHidden = wantsGradient && hidden.Node >= 0 ? _tape.GradientOf(hidden) : default;
        if (HasCrossEntropy)
        {
            CrossEntropy(hidden, gradHidden);
        }

        if (_weights.Divergence != 0)
        {
            Divergence(hidden, teacherHidden, gradHidden);
        }

        if (_weights.Cosine != 0 && _mappedLayers > 0)
        {
            Cosine(wantsGradient);
        }

        if (wantsGradient)
        {
            _tape.Backward();
        }
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

    /// <summary>What tells batches that can share a recording from others.</summary>
    /// <param name="Extent">Sizes.</param>
    /// <param name="WantsGradient">Whether there is a backward.</param>
    /// <param name="ClearGradients">Gradients that the backward assigns rather than adds to.</param>
    private readonly record struct RecordingKey(BatchExtent Extent, bool WantsGradient, int ClearGradients);
}
