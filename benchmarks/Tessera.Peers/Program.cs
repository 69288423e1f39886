using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Peers;

// Decoding and prefill of one sequence, here and in llama.cpp, in turn. Prints one JSON line a figure: value here, ceiling there.
var library = new Option<DirectoryInfo>("--library") { Description = "Folder with libllama and libggml, of the npm package @node-llama-cpp/linux-x64.", Required = true };
var model = new Option<FileInfo>("--model") { Description = "The model as llama.cpp reads it, a GGUF file.", Required = true };
var ours = new Option<string?>("--ours") { Description = "The same model as a folder, where it is not read from the GGUF file." };
var make = new Option<FileInfo?>("--make") { Description = "A config.json: where --model is not there, it is made with this shape and random weights." };
var type = new Option<string>("--dtype") { Description = "Storage of matrices here: f32, bf16, int8 or int4.", Required = true };
var prompt = new Option<int>("--prompt") { Description = "Tokens of a prefill.", DefaultValueFactory = _ => 256 };
var decode = new Option<int>("--decode") { Description = "Tokens of a decoding run.", DefaultValueFactory = _ => 32 };
var rounds = new Option<int>("--rounds") { Description = "Runs of each, in turn.", DefaultValueFactory = _ => 7 };
var threads = new Option<int>("--threads") { Description = "Threads of each.", DefaultValueFactory = _ => 2 };
var command = new RootCommand("Decoding and prefill beside llama.cpp.") { library, model, make, ours, type, prompt, decode, rounds, threads };
command.SetAction(result =>
{
    var storage = result.GetValue(type) == "bf16" ? DType.BF16 : DType.F32;
    string source = result.GetValue(ours) ?? result.GetValue(model)!.FullName;
    var comparison = new Comparison(result.GetValue(prompt), result.GetValue(decode), result.GetValue(rounds));
    if (result.GetValue(make) is { } shape && !result.GetValue(model)!.Exists)
    {
        RandomModel.Write(shape.FullName, result.GetValue(model)!.FullName, result.GetValue(type)!);
    }

    LlamaCpp.LoadFrom(result.GetValue(library)!.FullName);
    var decoder = GgufModel.IsNamed(source) ? GgufModel.Load(source, storage) : ModelFolder.Load(source, storage);
    string size = string.Create(
        CultureInfo.InvariantCulture, $"{decoder.Configuration.ParameterCount / 1e6:F0}M, prompt {comparison.Prompt}, {comparison.Decode} new");
    using var here = new TesseraModel(decoder, comparison.Positions, result.GetValue(threads), DType.BF16);
    using var there = new LlamaCppModel(
        result.GetValue(model)!.FullName, comparison.Positions, decoder.Configuration.VocabularySize, result.GetValue(threads));
    foreach (var figure in comparison.Run(here, there, decoder.Configuration.VocabularySize))
    {
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            name = figure.Name,
            shape = size,
            dtype = result.GetValue(type),
            threads = result.GetValue(threads),
            device = "cpu",
            value = figure.Here,
            unit = figure.Unit,
            ceiling = figure.There,
            peer = LlamaCpp.Release,
            ratio = figure.Ratio,
            runs = figure.Runs,
            spread = figure.Spread,
        }));
    }
});
return command.Parse(args).Invoke();
