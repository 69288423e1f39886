using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Training;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Puzzle.Planning;

/// <summary>What training and generation take, from shapes alone.</summary>
/// <param name="hardware">The machine that is planned for.</param>
/// <param name="storage">Storage of weights while the machine computes: bf16 for mixed and bf16 training.</param>
public sealed class TrainingEstimate(Hardware hardware, DType storage)
{
    // Weights and two moments in f32.
    private const double CheckpointBytes = 12;
    private const int ServedBatch = 64;

    private readonly WorkRate _rate = new(hardware, storage);

    /// <summary>Training on documents, with a teacher where there is one.</summary>
    /// <remarks>operations = steps · tokens · (3 · forward + forward of the teacher)</remarks>
    public StageEstimate Train(string name, ModelConfiguration model, TrainingSettings settings, ObjectiveWeights weights, ModelConfiguration? teacher)
    {
        double tokens = (double)settings.Schedule.TotalSteps * settings.BatchTokens * settings.Accumulation;
        double operations = tokens * ((WorkRate.Training * WorkRate.Forward(model, settings.MaxLength))
            + (teacher is null ? 0 : WorkRate.Forward(teacher, settings.MaxLength)));
        return new StageEstimate(
            name, operations, _rate.Seconds(operations), Memory(model, settings, weights, teacher),
            (CheckpointBytes + DType.BF16.Bytes()) * model.ParameterCount,
            $"{settings.Schedule.TotalSteps} steps of {(double)settings.BatchTokens * settings.Accumulation:N0} tokens");
    }

    /// <summary>Reinforcement learning: responses are drawn, scored by policy and reference, and learned from.</summary>
    /// <param name="name">The stage.</param>
    /// <param name="model">The policy's shape.</param>
    /// <param name="settings">Sizes of micro-batches.</param>
    /// <param name="rollouts">Number of rollouts.</param>
    /// <param name="responses">Responses of a rollout.</param>
    /// <param name="tokens">Most tokens of a response.</param>
    /// <param name="running">Responses that are drawn at once.</param>
    /// <param name="hasReference">Whether a second copy of the model is kept and asked.</param>
    public StageEstimate Reinforce(
        string name, ModelConfiguration model, TrainingSettings settings, int rollouts, int responses, int tokens, int running, bool hasReference)
    {
        double all = (double)rollouts * responses * tokens;
        double operations = all * (WorkRate.Training + 1 + (hasReference ? 1 : 0)) * WorkRate.Forward(model, tokens);
        var drawn = Drawing(model, Math.Min(running, responses), tokens);
        double cache = drawn.Memory.KvBytes(model.KvElementsPerToken);
        double memory = Memory(model, settings, ObjectiveWeights.LanguageModelling, null) + cache + (hasReference ? drawn.Memory.WeightBytes(model.ParameterCount, 0) : 0);
        return new StageEstimate(
            name, operations, DrawingSeconds(model, drawn, all) + _rate.Seconds(operations), memory, CheckpointBytes * model.ParameterCount,
            $"{rollouts} rollouts of {responses} responses of at most {tokens} tokens");
    }

    /// <summary>Evaluation: problems are answered, with as many tokens as an answer may have.</summary>
    public StageEstimate Evaluate(string name, ModelConfiguration model, int answers, int tokens)
    {
        var drawn = Drawing(model, ServedBatch, tokens);
        return new StageEstimate(
            name, 0, DrawingSeconds(model, drawn, (double)answers * tokens), drawn.Memory.Bytes(model), 0,
            $"{answers:N0} answers of at most {tokens} tokens");
    }

    private ServingScenario Drawing(ModelConfiguration model, int batch, int tokens) =>
        new(batch, Math.Max(1, Math.Min(tokens, model.MaxPositions / 2) / 4), Math.Min(tokens, model.MaxPositions / 2), storage, 0);

    private double DrawingSeconds(ModelConfiguration model, ServingScenario drawn, double tokens) =>
        tokens / drawn.Batch * new Roofline(model, drawn, hardware).Time(model).DecodeSeconds;

    private double Memory(ModelConfiguration model, TrainingSettings settings, ObjectiveWeights weights, ModelConfiguration? teacher)
    {
        using var device = new CpuDevice(1);
        using var planning = device.ForPlanning();
        using var student = Decoder.Allocate(model, DType.F32, planning);
        using var guide = teacher is null ? null : Decoder.Allocate(teacher, DType.F32, planning);
        double bytes = TrainingMemory.Plan(device, student, settings, weights, guide, weightsAreHeld: false).Bytes;
        // The plan is that of f32; what is stored in bf16 takes half.
        return storage == DType.F32 ? bytes : bytes / 2;
    }
}
