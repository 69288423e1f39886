using System.CommandLine;
using Tessera.Cli.Plans;
using Tessera.Cli.Recipes;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;

namespace Tessera.Cli.Commands;

/// <summary><c>plan</c>: memory, disk and device time of a recipe or of a compression, before anything is started.</summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        var recipe = new Argument<string>("recipe") { Description = "A recipe file, such as recipes/laptop.yaml; or compress MODEL with its options." };
        var set = new Option<string[]>("--set") { Description = "name=value for a variable, stage.option=value for an option of a stage. May be repeated." };
        var json = SharedOptions.Json();
        var machine = Machine();
        var threads = SharedOptions.Threads();
        var command = new Command("plan", "Tell memory, disk and device time of a recipe or a compression before anything is started.") { recipe, set, machine, threads, json };
        command.SetAction(result =>
        {
            var read = RecipeOverrides.Apply(
                RecipeReader.Read(RecipePaths.FindRecipe(result.GetValue(recipe)!)), result.GetValue(set) ?? []);
            var plan = RecipePlan.Make(read, Path.Combine("runs", read.Name), Cli.Root());
            using var device = Open(result.GetValue(machine)!, "cpu", result.GetValue(threads));
            var hardware = HardwareOf(result.GetValue(machine)!, machine.Name, device);
            Print(hardware, new RecipeEstimate(plan, device, hardware).Stages(), result.GetValue(json));
        });
        command.Add(Compression());
        return command;
    }

    private static Command Compression()
    {
        var verb = new CompressEstimate();
        var machine = Machine();
        verb.Command.Add(machine);
        verb.Command.SetAction(result =>
        {
            ModelConfiguration shape;
            try
            {
                shape = PlannedModel.Shape(verb.Model(result));
            }
            catch (UnknownShapeException unknown)
            {
                throw new InvalidDataException(unknown.Message);
            }

            string name = result.GetValue(machine)!;
            using var device = Open(name, verb.DeviceName(result), verb.Threads(result));
            var hardware = HardwareOf(name, machine.Name, device);
            var stage = new EstimatedStage("compress", "compress", verb.Stages(result, shape, device, hardware), null);
            Print(hardware, [stage], verb.IsJson(result));
        });
        return verb.Command;
    }

    private static Option<string> Machine() => new("--on")
    {
        Description = $"The machine to plan for: {string.Join(", ", Hardware.Named.Select(hardware => hardware.Name))}, or {HardwareProbe.Name}, whose ceilings are measured.",
        DefaultValueFactory = _ => HardwareProbe.Name,
    };

    private static Devices.Device? Open(string machine, string device, int threads) =>
        machine == HardwareProbe.Name ? Devices.Device.Open(device, threads) : null;

    private static Hardware HardwareOf(string name, string option, Devices.Device? device) =>
        device is null ? Hardware.Find(name, option) : HardwareProbe.Measure(device);

    private static void Print(Hardware hardware, IReadOnlyList<EstimatedStage> stages, bool asJson)
    {
        if (asJson)
        {
            PlanOutput.PrintJson(hardware, stages);
        }
        else
        {
            PlanOutput.PrintText(hardware, stages);
        }
    }
}
