using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training.Memory;

/// <summary>
/// Plans the memory of a training by doing its first step on a device that only counts: the same calls to the same arenas, over
/// the batches that need most.
/// </summary>
public static class TrainingMemory
{
    /// <summary>The peak of a <see cref="Trainer"/> with these arguments. Weights count as held where they have memory.</summary>
    /// <remarks>The student must not be in training: its gradients are planned in its place, and then it is frozen.</remarks>
    /// <exception cref="ArgumentException">The teacher is missing or does not fit.</exception>
    public static MemoryPlan Plan(
        Device device, Decoder student, TrainingSettings settings, ObjectiveWeights weights, Decoder? teacher = null,
        IReadOnlyList<int>? layerMap = null, bool weightsAreHeld = true)
    {
        using var planning = device.ForPlanning();
        using var objective = new Objective(planning, student, weights, teacher, layerMap, settings.Recompute);
        using var optimizer = new Optimizer(planning, student.Parameters);
        foreach (var batch in Batches(settings.BatchTokens, settings.MaxLength))
        {
            objective.Accumulate(batch, 1);
        }

        optimizer.GradientNorm();
        return MemoryPlan.Of(
        [
            MemoryPlan.Weights("weights", student.Parameters, weightsAreHeld),
            MemoryPlan.Weights("teacher weights", teacher?.Parameters ?? [], weightsAreHeld),
            .. MemoryPlan.Peaks(device, [.. objective.Arenas, optimizer.Arena, planning.Scratch]),
        ]);
    }

    /// <summary>Fails with a sentence where the training would not fit, before weights are loaded: shapes are enough.</summary>
    /// <exception cref="ArgumentException">It does not fit, or the teacher does not go with the student.</exception>
    public static void Check(
        Device device, ModelConfiguration student, TrainingSettings settings, ObjectiveWeights weights, ModelConfiguration? teacher = null,
        IReadOnlyList<int>? layerMap = null, DType master = DType.F32)
    {
        using var planning = device.ForPlanning();
        using var model = Decoder.Allocate(student, master, planning);
        using var guide = teacher is null ? null : Decoder.Allocate(teacher, device.ActivationType, planning);
        MemoryPlan PlanWith(RecomputeLevel level) => Plan(
            device, model, settings with { Recompute = level }, weights, guide, layerMap, weightsAreHeld: false);
        MemoryLimit.Check(device, PlanWith(settings.Recompute), settings, PlanWith);
    }

    /// <summary>
    /// Batches of which each purpose finds its worst: the whole budget as documents of the longest kind (attention) and of the
    /// shortest (segments). What an arena is asked for grows with both, so that smaller batches need no more.
    /// </summary>
    /// <param name="tokens">Most tokens of a batch.</param>
    /// <param name="longest">Most tokens of a document.</param>
    public static IEnumerable<PackedBatch> Batches(int tokens, int longest) => [Uniform(tokens, Math.Min(longest, tokens)), Uniform(tokens, 2)];

    private static PackedBatch Uniform(int tokens, int length)
    {
        var lengths = new int[(tokens + length - 1) / length];
        Array.Fill(lengths, length);
        lengths[^1] = tokens - (length * (lengths.Length - 1));
        var weights = new float[tokens];
        Array.Fill(weights, 1f);
        return new PackedBatch(new int[tokens], lengths, new int[tokens], weights);
    }
}
