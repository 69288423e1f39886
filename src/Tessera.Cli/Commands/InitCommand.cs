using System.CommandLine;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Commands;

/// <summary><c>init</c>: a model with fresh weights from a configuration.</summary>
internal static class InitCommand
{
    public static Command Create()
    {
        var configuration = new Argument<string>("config") { Description = "A config.json, or a folder that holds one." };
        var output = new Option<string>("--out") { Description = "Folder to write.", Required = true };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Folder whose tokenizer files are copied along." };
        var seed = SharedOptions.Seed();
        var type = SharedOptions.DataType("f32", "Storage of the weights: f32 or bf16.");
        var command = new Command("init", "Make a model with fresh weights.") { configuration, output, tokenizer, seed, type };
        command.SetAction(result =>
        {
            string target = result.GetValue(output)!;
            if (File.Exists(Path.Combine(target, "config.json")))
            {
                throw new ArgumentException($"--out {target}: a model is there already; choose another folder or remove it");
            }

            if (result.GetValue(tokenizer) is { } companions && Tokenizer.Find(companions) is null)
            {
                throw new ArgumentException($"--tokenizer {companions}: no tokenizer there");
            }

            var shape = ModelFolder.ReadConfiguration(result.GetValue(configuration)!);
            DType storage = SharedOptions.ParseDataType(result.GetValue(type)!);
            using var device = new CpuDevice();
            using var model = Decoder.Allocate(shape, storage);
            ModelInitializer.Fill(model, result.GetValue(seed), device);
            ModelFolder.Save(target, model, storage, result.GetValue(tokenizer));
            Console.WriteLine($"{target}: {shape.ParameterCount:N0} parameters in {shape.Layers.Length} layers");
        });
        return command;
    }
}
