using System.CommandLine;
using Tessera.Cli.Cards;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;

namespace Tessera.Cli.Commands;

/// <summary><c>export</c>: a model in a form that other software loads.</summary>
internal static class ExportCommand
{
    private static readonly Dictionary<string, GgufTensorType> GgufTypes = new()
    {
        ["f32"] = GgufTensorType.F32,
        ["bf16"] = GgufTensorType.BF16,
        ["f16"] = GgufTensorType.F16,
        ["q8_0"] = GgufTensorType.Q8,
        ["q4_0"] = GgufTensorType.Q4,
    };

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = ModelSource.Description };
        var format = new Option<string>("--format")
        {
            Description = "hf: as it is, in the form of its family where all layers are alike, else a DeciLM; llama: always a plain Llama of "
                + "the same function, padded with zeros; gguf: one file for llama.cpp and its relatives.",
            DefaultValueFactory = _ => "hf",
        };
        format.AcceptOnlyFromAmong("hf", "llama", "gguf");
        var output = new Option<string>("--out") { Description = "Folder to write; for gguf the file, whose name ends in .gguf.", Required = true };
        var type = new Option<string?>("--dtype")
        {
            Description = "Storage of the matrices: f32 or bf16, for gguf also f16, q8_0 (8.5 bits a weight) or q4_0 (4.5 bits); by default the model's own.",
        };
        type.AcceptOnlyFromAmong([.. GgufTypes.Keys]);
        var license = new Option<string?>("--license") { Description = "Licence for the model card, such as apache-2.0; the card says that it is to be chosen where none is given." };
        var json = SharedOptions.Json();
        var command = new Command("export", "Write a model in a form that other software loads, with a model card beside it.") { model, format, output, type, license, json };
        command.SetAction(result => Run(
            result.GetValue(model)!, result.GetValue(format)!, result.GetValue(output)!, result.GetValue(type), Licence(result.GetValue(license)), result.GetValue(json)));
        return command;
    }

    private static string? Licence(string? text) => text is null || (text.Length is > 0 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '+'))
        ? text
        : throw new ArgumentException($"--license {text}: expected an identifier such as apache-2.0");

    private static void Run(string model, string format, string target, string? type, string? licence, bool asJson)
    {
        bool isGguf = format == "gguf";
        if (isGguf != GgufModel.IsNamed(target))
        {
            throw new ArgumentException($"--out {target}: expected {(isGguf ? "a file whose name ends in .gguf" : "a folder, since the format is " + format)}");
        }

        if (!isGguf && type is not (null or "f32" or "bf16"))
        {
            throw new ArgumentException($"--dtype {type}: expected f32 or bf16, the types of the format {format}");
        }

        if (File.Exists(isGguf ? target : Path.Combine(target, "config.json")))
        {
            throw new ArgumentException($"--out {target}: a model is there already; choose another name or remove it");
        }

        var source = ModelSource.Open(model);
        if (isGguf)
        {
            WriteGguf(source, target, type ?? source.Configuration.StorageType.Label(), licence, asJson);
            return;
        }

        var storage = type is null ? source.Configuration.StorageType : SharedOptions.ParseDataType(type);
        using var decoder = source.Load(storage);
        if (format == "llama")
        {
            using var padded = PaddedLlama.Build(decoder, storage);
            Write(padded, storage, source, target, licence, asJson);
        }
        else
        {
            Write(decoder, storage, source, target, licence, asJson);
        }
    }

    private static void WriteGguf(ModelSource source, string target, string type, string? licence, bool asJson)
    {
        // In memory as it is stored: the conversion happens piece by piece while the file is written.
        using var decoder = source.Load(source.Configuration.StorageType);
        var notes = new List<string>();
        var vocabulary = GgufVocabularyWriter.For(source.Folder, source.Configuration, notes);
        string? folder = Path.GetDirectoryName(Path.GetFullPath(target));
        Directory.CreateDirectory(folder!);
        notes.AddRange(GgufExport.Write(target, decoder, GgufTypes[type], source.DisplayName, vocabulary));
        // A file has no folder of its own: its card bears its name.
        new ModelCard(target, RunOrigin.Of(source.Folder), source.Name) { Licence = licence }.Write();
        notes.ForEach(note => Console.Error.WriteLine($"note: {note}"));
        using var written = GgufFile.Open(target);
        string form = written.Metadata["general.architecture"].Text();
        long bytes = new FileInfo(target).Length;
        if (asJson)
        {
            JsonOutput.Print(new
            {
                model = target,
                form = "gguf " + form,
                dtype = type,
                layers = source.Configuration.Layers.Length,
                parameters = source.Configuration.ParameterCount,
                bytes,
                notes,
            });
        }
        else
        {
            Console.WriteLine(
                $"{target}: gguf {form}, {source.Configuration.ParameterCount:N0} parameters in {source.Configuration.Layers.Length} layers, {type}, {bytes:N0} bytes");
        }
    }

    private static void Write(Decoder model, DType storage, ModelSource source, string target, string? licence, bool asJson)
    {
        // Read first: where the source lies beside its run, the card says what the run found.
        var origin = RunOrigin.Of(source.Folder);
        ModelFolder.Save(target, model, storage, source.Folder, origin.Notes);
        new ModelCard(target, origin, source.Name) { Licence = licence }.Write();
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
