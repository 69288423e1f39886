using Tessera.Devices;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Memory;

namespace Tessera.Alignment.Policy;

/// <summary>
/// Plans the memory of a <see cref="GrpoTrainer"/> by taking the steps of an update on a device that only counts. What the engine
/// holds that draws the responses is not in the plan.
/// </summary>
public static class GrpoMemory
{
    /// <summary>The plan, if it fits.</summary>
    /// <inheritdoc cref="Plan" />
    /// <exception cref="ArgumentException">It does not fit the limit or the memory that is free.</exception>
    public static MemoryPlan Checked(Device device, Decoder policy, GrpoSettings settings, Decoder? reference)
    {
        var plan = Plan(device, policy, settings, reference);
        MemoryLimit.Check(device, plan, settings.Optimisation, level => Plan(
            device, policy, settings with { Optimisation = settings.Optimisation with { Recompute = level } }, reference));
        return plan;
    }

    /// <summary>The peak of updates over micro-batches of <see cref="TrainingSettings.BatchTokens"/> rows, or of one longest document.</summary>
    /// <param name="device">Where the training will run.</param>
    /// <param name="policy">The model; it must not be in training.</param>
    /// <param name="settings">Settings; <see cref="TrainingSettings.MaxLength"/> is the longest prompt with its response.</param>
    /// <param name="reference">The frozen model of the KL term, or null.</param>
    public static MemoryPlan Plan(Device device, Decoder policy, GrpoSettings settings, Decoder? reference)
    {
        using var planning = device.ForPlanning();
        using var objective = new PolicyObjective(planning, settings.Optimisation.Recompute);
        using var optimizer = new Optimizer(planning, policy.Parameters);
        int longest = Math.Max(2, settings.Optimisation.MaxLength);
        foreach (var shape in TrainingMemory.Batches(Math.Max(settings.Optimisation.BatchTokens, longest), longest))
        {
            Run(shape.Lengths);
        }

        // A response of one token to a prompt of one takes one row.
        Run(Enumerable.Repeat(1, settings.Optimisation.BatchTokens));
        optimizer.GradientNorm();
        return MemoryPlan.Of(
        [
            MemoryPlan.Weights("weights", policy.Parameters, isHeld: true),
            MemoryPlan.Weights("reference weights", reference?.Parameters ?? [], isHeld: true),
            .. MemoryPlan.Peaks(device, [.. objective.Arenas, optimizer.Arena, planning.Scratch]),
        ]);

        void Run(IEnumerable<int> rows)
        {
            var responses = rows.Select(count => new PolicyResponse([0], new int[count], new float[count], 1, 1f));
            foreach (var batch in PolicyBatch.Pack(responses, int.MaxValue))
            {
                batch.ReferenceLogProbs = reference is null ? null : new float[batch.Ids.Length];
                objective.LogProbs(policy, batch, batch.OldLogProbs);
                if (reference is not null)
                {
                    objective.LogProbs(reference, batch, batch.ReferenceLogProbs);
                }

                objective.Accumulate(policy, batch, settings.Policy, 1);
            }
        }
    }
}
