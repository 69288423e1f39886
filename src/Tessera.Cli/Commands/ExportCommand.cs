using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;

namespace Tessera.Cli.Commands;

/// <summary><c>export</c>: a model in a form that other software loads.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Folder of the model." };
        var format = new Option<string>("--format")
        {
            Description = "hf: as it is, a Llama where all layers are alike, else a DeciLM; llama: always a plain Llama of the same function, padded with zeros.",
            DefaultValueFactory = _ => "hf",
        };
        format.AcceptOnlyFromAmong("hf", "llama");
        var output = new Option<string>("--out") { Description = "Folder to write.", Required = true };
        var type = new Option<string?>("--dtype") { Description = "Storage of the matrices: f32 or bf16; by default the model's own." };
        type.AcceptOnlyFromAmong("f32", "bf16");
        var json = SharedOptions.Json();
        var command = new Command("export", "Write a model in a form that other software loads.") { model, format, output, type, json };
        command.SetAction(result =>
        {
            string target = result.GetValue(output)!;
            if (File.Exists(Path.Combine(target, "config.json")))
            {
                throw new ArgumentException($"--out {target}: a model is there already; choose another folder or remove it");
            }

            var source = ModelSource.Open(result.GetValue(model)!);
            var storage = result.GetValue(type) is { } text ? SharedOptions.ParseDataType(text) : source.Configuration.StorageType;
            using var decoder = source.Load(storage);
            if (result.GetValue(format) == "llama")
            {
                using var padded = PaddedLlama.Build(decoder, storage);
                Write(padded, storage, source, target, result.GetValue(json));
            }
            else
            {
                Write(decoder, storage, source, target, result.GetValue(json));
            }
        });
        return command;
    }

    private static void Write(Decoder model, DType storage, ModelSource source, string target, bool asJson)
    {
        ModelFolder.Save(target, model, storage, source.Folder);
        var written = ModelFolder.ReadConfiguration(target);
        string form = written.Architecture.ToString();
        if (asJson)
        {
            JsonOutput.Print(new
            {
                model = target,
                form,
                dtype = storage.Label(),
                layers = written.Layers.Length,
                parameters = written.ParameterCount,
                parameters_before = source.Configuration.ParameterCount,
            });
        }
        else
        {
            Console.WriteLine($"{target}: {form}, {written.ParameterCount:N0} parameters in {written.Layers.Length} layers, {storage.Label()}");
        }
    }
}
