using Tessera.Devices;
using Tessera.Models;
using Tessera.Training.Data;
using Tessera.Training.Data.Blends;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Training;

/// <summary>
/// Trains a model step by step: packs documents, accumulates gradients over micro-batches, clips and updates.
/// </summary>
/// <remarks>
/// The state of a run is the parameters, the moments, the number of steps, which tells the phase, and the place of the next document in
/// it; <see cref="Checkpoints.TrainingCheckpoint"/> saves exactly these, so a resumed run ends with the bits of an uninterrupted one.
/// </remarks>
public sealed class Trainer : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly Objective _objective;
    private readonly IReadOnlyList<TrainingPhase> _phases;
    private readonly BatchPacker[] _packers;
    private readonly PackedBatch[] _batches;
    private readonly Arena _scratch;

    /// <summary>A trainer of all parameters of <paramref name="student"/>.</summary>
    /// <exception cref="ArgumentException">
    /// The student is stored in a type that the device does not train, the teacher is missing, does not fit or shares weights with the student, or the memory that
    /// training needs is not there.
    /// </exception>
    public Trainer(
        Device device, Decoder student, TrainingSettings settings, ObjectiveWeights weights, IDocumentSource documents,
        Decoder? teacher = null, IReadOnlyList<int>? layerMap = null)
        : this(
            device, student, settings, weights, [new TrainingPhase(settings.Schedule.TotalSteps, settings.MaxLength, documents)], teacher, layerMap)
    {
    }

    /// <summary>A trainer whose documents and their length change from phase to phase; the rate's schedule goes over all of them.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="student">The model that learns.</param>
    /// <param name="settings">Everything else; its length of documents is not read.</param>
    /// <param name="weights">What is minimised.</param>
    /// <param name="phases">In order; their steps add up to the schedule's.</param>
    /// <param name="teacher">Needed for divergence and cosine.</param>
    /// <param name="layerMap">As <see cref="Objective"/> takes it.</param>
    /// <exception cref="ArgumentException">As the other, or the phases' steps are not the schedule's.</exception>
    public Trainer(
        Device device, Decoder student, TrainingSettings settings, ObjectiveWeights weights, IReadOnlyList<TrainingPhase> phases,
        Decoder? teacher = null, IReadOnlyList<int>? layerMap = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Accumulation, 1);
        CheckStudent(device, student, teacher);
        if (phases.Count == 0 || phases.Sum(phase => (long)phase.Steps) != settings.Schedule.TotalSteps)
        {
            throw new ArgumentException($"the phases have {phases.Sum(phase => (long)phase.Steps)} steps, the schedule {settings.Schedule.TotalSteps}");
        }

        // A longer document takes no less memory, so the longest phase is the one to plan for.
        settings = settings with { MaxLength = phases.Max(phase => phase.MaxLength) };
        _settings = settings;
        _phases = phases;
        _packers = [.. phases.Select(phase => new BatchPacker(phase.Documents, settings.BatchTokens, phase.MaxLength))];
        _batches = new PackedBatch[settings.Accumulation];
        Weights = weights;
        Memory = TrainingMemory.Plan(device, student, settings, weights, teacher, layerMap);
        MemoryLimit.Check(
            device, Memory, settings, level => TrainingMemory.Plan(device, student, settings with { Recompute = level }, weights, teacher, layerMap));
        _scratch = device.Scratch;
        _objective = new Objective(device, student, weights, teacher, layerMap, settings.Recompute, settings.Eager);
        Memory.Reserve(_objective.Arenas);
        Optimizer = new Optimizer(device, student.Parameters);
    }

    /// <summary>The planned peak.</summary>
    public MemoryPlan Memory { get; }

    /// <summary>What was planned, to be compared with the plan.</summary>
    public IEnumerable<Arena> Arenas => [.. _objective.Arenas, Optimizer.Arena, _scratch];

    /// <summary>Times that a batch's work was recorded, and that a recording was launched; see <see cref="Objective"/>.</summary>
    public (long Recordings, long Launches) Recorded => _objective.Recorded;

    /// <summary>What is minimised.</summary>
    public ObjectiveWeights Weights { get; }

    /// <summary>Parameters, gradients and moments.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>Steps done.</summary>
    public int Steps => Optimizer.Steps;

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps => _settings.Schedule.TotalSteps;

    /// <summary>The phase of the next step, counted from 0; behind the last step the last.</summary>
    public int Phase
    {
        get
        {
            int phase = 0;
            for (long end = _phases[0].Steps; phase < _phases.Count - 1 && end <= Steps; end += _phases[phase].Steps)
            {
                phase++;
            }

            return phase;
        }
    }

    /// <summary>Steps before the last phase.</summary>
    public int StepsBeforeLastPhase => TotalSteps - _phases[^1].Steps;

    /// <summary>The next document to be packed, in its phase.</summary>
    public long NextDocument
    {
        get => _packers[Phase].NextDocument;
        set => _packers[Phase].NextDocument = value;
    }

    /// <summary>What the documents need besides the number of the next to be found again at once; null where the number is enough.</summary>
    public string? DataPosition => (_phases[Phase].Documents as IPositionedSource)?.PositionBefore(NextDocument);

    /// <summary>Goes on with a document, as <see cref="NextDocument"/> and <see cref="DataPosition"/> were.</summary>
    /// <exception cref="InvalidDataException">The position is not one of these documents.</exception>
    public void Continue(long nextDocument, string? position)
    {
        NextDocument = nextDocument;
        if (_phases[Phase].Documents is IPositionedSource source && position is not null)
        {
            source.Restore(nextDocument, position);
        }
    }

    /// <summary>One optimiser step.</summary>
    public StepReport Step()
    {
        double normaliser = 0;
        int tokens = 0;
        var packer = _packers[Phase];
        for (int i = 0; i < _batches.Length; i++)
        {
            _batches[i] = packer.Next();
            normaliser += _batches[i].WeightSum;
            tokens += _batches[i].Ids.Length;
        }

        Optimizer.ClearGradients();
        var loss = default(LossValues);
        foreach (var batch in _batches)
        {
            loss += _objective.Accumulate(batch, normaliser > 0 ? normaliser : 1);
        }

        double rate = _settings.Schedule.At(Steps);
        double norm = Optimizer.Update(_settings, rate);
        return new StepReport(Steps, loss, norm, rate, tokens);
    }

    /// <summary>Mean losses over given batches, without training on them.</summary>
    public LossValues Validate(IEnumerable<PackedBatch> batches)
    {
        var loss = default(LossValues);
        foreach (var batch in batches)
        {
            loss += _objective.Evaluate(batch);
        }

        return loss;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _objective.Dispose();
        Optimizer.Dispose();
    }

    private static void CheckStudent(Device device, Decoder student, Decoder? teacher)
    {
        var narrow = student.Parameters.FirstOrDefault(
            parameter => parameter.Type != DType.F32 && !(parameter.Type == DType.BF16 && device.TrainsBf16Masters));
        if (narrow is not null)
        {
            throw new ArgumentException(
                $"parameter {narrow.Name} is stored in {narrow.Type.Label()}, training on {device.Name} needs "
                + (device.TrainsBf16Masters ? "f32 or bf16" : "f32"));
        }

        // A shared weight would move the teacher along with the student.
        var shared = teacher?.Parameters.Intersect(student.Parameters).FirstOrDefault();
        if (shared is not null)
        {
            throw new ArgumentException($"teacher and student share parameter {shared.Name}: give the student a copy");
        }
    }
}
