using Tessera.Devices;
using Tessera.Runs;
using Tessera.Tensors;

namespace Tessera.Training.Memory;

/// <summary>One purpose that memory is taken for.</summary>
/// <param name="Name">The arena's name, such as <c>activations</c>.</param>
/// <param name="Bytes">The most it needs at once.</param>
/// <param name="IsHeld">Whether the memory was taken already when the plan was made.</param>
public readonly record struct MemoryPart(string Name, long Bytes, bool IsHeld);

/// <summary>The peak of a training's memory, known before its first step.</summary>
/// <remarks>
/// Arenas keep what they once took, so the peak is the sum of their peaks. Managed memory, code and the data's texts are not in it.
/// </remarks>
/// <param name="Parts">Every purpose, largest first.</param>
public sealed record MemoryPlan(IReadOnlyList<MemoryPart> Parts)
{
    /// <summary>Sum of all parts.</summary>
    public long Bytes => Parts.Sum(part => part.Bytes);

    /// <summary>What is still to be taken.</summary>
    public long BytesToTake => Parts.Where(part => !part.IsHeld).Sum(part => part.Bytes);

    /// <summary>Bytes of one part; 0 where there is none of that name.</summary>
    public long this[string name] => Parts.Where(part => part.Name == name).Sum(part => part.Bytes);

    /// <summary>Joins parts, leaves out the empty ones and sorts them by size.</summary>
    public static MemoryPlan Of(IEnumerable<MemoryPart> parts) =>
        new([.. parts.Where(part => part.Bytes > 0).OrderByDescending(part => part.Bytes)]);

    /// <summary>A model's weights as a part.</summary>
    public static MemoryPart Weights(string name, IEnumerable<Parameter> parameters, bool isHeld) =>
        new(name, parameters.Sum(parameter => Arena.PaddedBytes(parameter.Bytes)), isHeld);

    /// <summary>The peaks of arenas of a planning device; scratch that the real device has used before counts as well.</summary>
    public static IEnumerable<MemoryPart> Peaks(Device device, IEnumerable<Arena> arenas) => arenas.Select(arena => new MemoryPart(
        arena.Name, arena.Name == device.Scratch.Name ? Math.Max(arena.HighWaterBytes, device.Scratch.HighWaterBytes) : arena.HighWaterBytes, false));

    /// <summary>Takes one chunk for each of the arenas, so that none grows step by step.</summary>
    public void Reserve(IEnumerable<Arena> arenas)
    {
        foreach (var arena in arenas)
        {
            arena.Reserve(this[arena.Name]);
        }
    }

    /// <summary>What arenas really took, in place of what was planned for them; parts without an arena stay.</summary>
    public MemoryPlan Used(IEnumerable<Arena> arenas)
    {
        var peaks = arenas.ToDictionary(arena => arena.Name, arena => arena.HighWaterBytes);
        return new([.. Parts.Select(part => peaks.TryGetValue(part.Name, out long bytes) ? part with { Bytes = bytes } : part)]);
    }

    /// <summary>Parts of which more was used than planned; none in a sound plan.</summary>
    public IEnumerable<string> Exceeded(IEnumerable<Arena> arenas) => arenas
        .Where(arena => arena.HighWaterBytes > this[arena.Name])
        .Select(arena => $"{arena.Name}: planned {HumanUnits.FormatBytes(this[arena.Name])}, used {HumanUnits.FormatBytes(arena.HighWaterBytes)}");

    /// <summary>One line that compares, and one for every part that took more than planned.</summary>
    public IEnumerable<string> DescribeUse(IEnumerable<Arena> arenas)
    {
        Arena[] all = [.. arenas];
        return Exceeded(all).Select(part => $"memory: warning: more than planned for {part}")
            .Prepend($"memory: planned {HumanUnits.FormatBytes(Bytes)}, used {HumanUnits.FormatBytes(Used(all).Bytes)}");
    }

    /// <summary>For instance <c>1.2 GiB: activations 800 MiB, weights 420 MiB</c>.</summary>
    public override string ToString() =>
        $"{HumanUnits.FormatBytes(Bytes)}: {string.Join(", ", Parts.Select(part => $"{part.Name} {HumanUnits.FormatBytes(part.Bytes)}"))}";
}
