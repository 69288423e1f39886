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
            var parts = OptionalPart.All().Select(part => (Part: part, Found: part.Find())).ToList();
            var cuda = CudaFacts.Read();
            if (result.GetValue(json))
            {
                JsonOutput.Print(new
                {
                    machine,
                    optional = parts.Select(found => new
                    {
                        name = found.Part.Name,
                        found = found.Found is not null,
                        path = found.Found?.Path,
                        version = found.Found?.Version,
                        needed_for = found.Part.NeededFor,
                    }),
                    cards = cuda.Cards.Select(found => new
                    {
                        device = $"cuda:{found.Card.Ordinal}",
                        name = found.Card.Name,
                        architecture = found.Card.Architecture,
                        memory_bytes = found.Card.TotalBytes,
                        multiprocessors = found.Card.Multiprocessors,
                        objection = found.Objection,
                    }),
                    no_card_because = cuda.Missing,
                });
                return;
            }

            Print(machine);
            foreach (var (part, found) in parts)
            {
                string version = found?.Version is { } text ? $"{text}, " : string.Empty;
                Console.WriteLine($"{part.Name,-12} {version}{found?.Path ?? $"missing: needed for {part.NeededFor}"}");
            }

            Print(cuda);
        });
        return command;
    }

    private static void Print(CudaFacts cuda)
    {
        foreach (var (card, objection) in cuda.Cards)
        {
            Console.WriteLine(
                $"{$"cuda:{card.Ordinal}",-12} {card.Name}, {card.Architecture}, {HumanUnits.FormatBytes(card.TotalBytes)}, " +
                $"{card.Multiprocessors} multiprocessors{(objection is null ? string.Empty : $"; not usable: {objection}")}");
        }

        if (cuda.Missing is { } missing)
        {
            Console.WriteLine($"{"GPU",-12} none to use: {missing}");
        }
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
