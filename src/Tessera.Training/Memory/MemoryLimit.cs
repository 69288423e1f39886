using Tessera.Devices;
using Tessera.Runs;
using Tessera.Tensors;

namespace Tessera.Training.Memory;

/// <summary>Refuses a training that does not fit, before any of its memory is taken.</summary>
public static class MemoryLimit
{
    /// <summary>Fails with a sentence unless a plan fits the limit of its settings and the memory of the machine.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="settings">Its settings, of which the sentence names those to change.</param>
    /// <param name="withRecompute">The plan under another level of recomputation; called only for the sentence.</param>
    /// <param name="available">Bytes that may still be taken, or null where that is not known.</param>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public static void Check(
        MemoryPlan plan, TrainingSettings settings, Func<RecomputeLevel, MemoryPlan> withRecompute, long? available)
    {
        if (settings.MemoryLimit is { } limit && plan.Bytes > limit)
        {
            throw Refusal(plan, settings, withRecompute, $"the limit is {HumanUnits.FormatBytes(limit)}");
        }

        if (plan.BytesToTake > available)
        {
            string rest = plan.BytesToTake < plan.Bytes ? $" more, of {HumanUnits.FormatBytes(plan.Bytes)} in all" : string.Empty;
            throw Refusal(
                plan with { Parts = [.. plan.Parts.Where(part => !part.IsHeld)] }, settings, withRecompute,
                $"{HumanUnits.FormatBytes(available.Value)} are free", rest);
        }
    }

    /// <summary>As the other, against the memory of a device that is free now.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public static void Check(Device device, MemoryPlan plan, TrainingSettings settings, Func<RecomputeLevel, MemoryPlan> withRecompute) =>
        Check(plan, settings, withRecompute, device.Memory.FreeBytes());

    private static ArgumentException Refusal(
        MemoryPlan plan, TrainingSettings settings, Func<RecomputeLevel, MemoryPlan> withRecompute, string bound, string rest = "") => new(
            $"memory: training needs {HumanUnits.FormatBytes(plan.Bytes)}{rest} and {bound}; "
            + $"{string.Join(", ", plan.Parts.Take(3).Select(part => $"{part.Name} take {HumanUnits.FormatBytes(part.Bytes)}"))}: {Advice(plan, settings, withRecompute)}");

    private static string Advice(MemoryPlan plan, TrainingSettings settings, Func<RecomputeLevel, MemoryPlan> withRecompute)
    {
        if (!plan.Parts[0].Name.Contains("activation", StringComparison.Ordinal))
        {
            return "choose a smaller model";
        }

        string fewer = $"lower --batch-tokens, which is {settings.BatchTokens}";
        return settings.Recompute == RecomputeLevel.Full
            ? fewer
            : $"{fewer}, or give --recompute full, which needs {HumanUnits.FormatBytes(withRecompute(RecomputeLevel.Full).Bytes)} in all";
    }
}
