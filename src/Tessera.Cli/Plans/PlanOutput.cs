using System.Globalization;
using Tessera.Cli.Output;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Planning;
using Tessera.Runs;

namespace Tessera.Cli.Plans;

/// <summary>Estimates as a table or as one JSON document.</summary>
internal static class PlanOutput
{
    private const double SecondsOfYear = 365.25 * 24 * 3600;

    public static void PrintText(Hardware hardware, IReadOnlyList<EstimatedStage> stages)
    {
        Console.WriteLine($"on {hardware.Label}, {HumanUnits.FormatBytes((long)hardware.MemoryBytes)} of memory; estimated from shapes, nothing was started");
        var table = new TextTable("stage", "part", ">memory", ">disk", ">device time", ">products", "work");
        foreach (var stage in stages)
        {
            if (stage.Unknown is { } reason)
            {
                table.Add(stage.Stage, stage.Verb, "-", "-", "-", "-", reason);
            }

            foreach (var part in stage.Parts)
            {
                table.Add(
                    stage.Stage, part.Name, HumanUnits.FormatBytes((long)part.MemoryBytes) + (part.MemoryBytes > hardware.MemoryBytes ? " !" : string.Empty),
                    HumanUnits.FormatBytes((long)part.DiskBytes), Time(part.Seconds), Operations(part.Operations), part.Work);
            }
        }

        var all = stages.SelectMany(stage => stage.Parts).ToList();
        if (all.Count > 0)
        {
            table.Add(
                "in all", string.Empty, HumanUnits.FormatBytes((long)all.Max(part => part.MemoryBytes)), HumanUnits.FormatBytes((long)all.Sum(part => part.DiskBytes)),
                Time(all.Sum(part => part.Seconds)), Operations(all.Sum(part => part.Operations)),
                string.Create(CultureInfo.InvariantCulture, $"{all.Sum(part => part.Seconds) / 3600:#,##0.###} device hours; memory is the largest, disk the sum"));
        }

        table.Print();
        if (all.Exists(part => part.MemoryBytes > hardware.MemoryBytes))
        {
            Console.WriteLine($"!: more than {hardware.Label} has");
        }
    }

    public static void PrintJson(Hardware hardware, IReadOnlyList<EstimatedStage> stages) => JsonOutput.Print(new
    {
        hardware = hardware.Label,
        hardware_memory_bytes = hardware.MemoryBytes,
        stages = stages.Select(stage => new
        {
            stage = stage.Stage,
            verb = stage.Verb,
            unknown = stage.Unknown,
            parts = stage.Parts.Select(part => new
            {
                name = part.Name,
                memory_bytes = part.MemoryBytes,
                fits = part.MemoryBytes <= hardware.MemoryBytes,
                disk_bytes = part.DiskBytes,
                seconds = part.Seconds,
                operations = part.Operations,
                work = part.Work,
            }),
        }),
        memory_bytes = stages.SelectMany(stage => stage.Parts).Select(part => part.MemoryBytes).DefaultIfEmpty().Max(),
        disk_bytes = stages.SelectMany(stage => stage.Parts).Sum(part => part.DiskBytes),
        device_hours = stages.SelectMany(stage => stage.Parts).Sum(part => part.Seconds) / 3600,
    });

    // A recipe for hundreds of cards takes thousands of years on a processor: longer than a TimeSpan may be, and nobody counts them in days.
    private static string Time(double seconds) => seconds < 2 * SecondsOfYear
        ? HumanUnits.FormatDuration(TimeSpan.FromSeconds(seconds))
        : string.Create(CultureInfo.InvariantCulture, $"{seconds / SecondsOfYear:N0} years");

    private static string Operations(double operations) => operations == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{operations:0.##E+0} FLOP");
}
