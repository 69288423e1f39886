using Tessera.Runs;

namespace Tessera.Puzzle.Library;

/// <summary>Says what a distillation took where it took more than those before, as jobs differ and the largest decides.</summary>
internal sealed class DistillationPeak
{
    private long _largest;

    /// <summary>Counts a distillation.</summary>
    public void Report(in BlockDistillationResult result)
    {
        if (result.Planned.Bytes > _largest)
        {
            _largest = result.Planned.Bytes;
            Console.Error.WriteLine($"memory of a block's distillation: planned {HumanUnits.FormatBytes(_largest)}, used {HumanUnits.FormatBytes(result.Used.Bytes)}");
        }
    }
}
