using System.CommandLine;
using Tessera.Cli.Machine;
using Tessera.Cli.Output;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>doctor</c>: what this machine offers and what is missing for what.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var json = SharedOptions.Json();
        var command = new Command("doctor", "What this machine offers, and what is missing for what.") { json };
        command.SetAction(result =>
        {
            var machine = MachineFacts.Read();
            var parts = OptionalPart.All.Select(part => (Part: part, Path: part.Find())).ToList();
            if (result.GetValue(json))
            {
                JsonOutput.Print(new
                {
                    machine,
                    optional = parts.Select(found => new
                    {
                        name = found.Part.Name,
                        found = found.Path is not null,
                        path = found.Path,
                        needed_for = found.Part.NeededFor,
                    }),
                });
                return;
            }

            Print(machine);
            foreach (var (part, path) in parts)
            {
                Console.WriteLine($"{part.Name,-12} {path ?? $"missing: needed for {part.NeededFor}"}");
            }
        });
        return command;
    }

    private static void Print(MachineFacts machine)
    {
        string free = machine.FreeMemoryBytes is { } bytes ? $", {HumanUnits.FormatBytes(bytes)} free" : string.Empty;
        string vectors = machine.VectorBits > 32 ? $"vectors of {machine.VectorBits} bits" : "no vectors";
        Console.WriteLine($"{"processor",-12} {machine.Processor}");
        Console.WriteLine($"{"cores",-12} {machine.Cores}");
        Console.WriteLine($"{"SIMD",-12} {vectors} ({string.Join(", ", machine.InstructionSets)})");
        Console.WriteLine($"{"memory",-12} {HumanUnits.FormatBytes(machine.MemoryBytes)}{free}");
        Console.WriteLine($"{".NET",-12} {machine.Runtime}");
        Console.WriteLine($"{"system",-12} {machine.System}");
    }
}
