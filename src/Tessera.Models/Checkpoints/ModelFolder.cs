using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.Models.Tokenizers;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>
/// A model in Hugging Face layout: <c>config.json</c>, safetensors, and perhaps a tokenizer. Where a model is only read, a GGUF file
/// may stand in the folder's place.
/// </summary>
public static class ModelFolder
{
    private const string ConfigurationName = "config.json";
    /// <summary>Files of a model's folder that decide how it is used, weights and config.json apart.</summary>
    public static IReadOnlyList<string> CompanionFiles { get; } =
    [
        .. Tokenizer.FileNames, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "generation_config.json",
    ];

    /// <summary>The configuration alone.</summary>
    /// <exception cref="InvalidDataException">There is none, or it is not acceptable.</exception>
    public static ModelConfiguration ReadConfiguration(string folder)
    {
        if (GgufModel.IsNamed(folder))
        {
            return GgufModel.ReadConfiguration(folder);
        }

        string path = Directory.Exists(folder) ? Path.Combine(folder, ConfigurationName) : folder;
        return File.Exists(path)
            ? ConfigurationReader.Read(path)
            : throw new InvalidDataException($"{folder}: no {ConfigurationName} there");
    }

    /// <summary>Loads configuration and weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">
    /// Storage of matrices in memory; null keeps the checkpoint's own. int8, int4 and fp8 round portion by portion; with int4,
    /// token table and head are int8, with fp8 the table, and a head tied to it, is bf16.
    /// </param>
    /// <param name="target">Whose memory takes the weights; null for the processor's.</param>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or does not hold what the configuration says.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "Returned to the caller, disposed of where filling it fails.")]
    public static Decoder Load(string folder, DType? type = null, Device? target = null)
    {
        if (GgufModel.IsNamed(folder))
        {
            return GgufModel.Load(folder, type, target);
        }

        using var weights = SafetensorsWeights.Open(folder, target);
        var model = Decoder.Allocate(weights.Configuration, type ?? weights.Configuration.StorageType, target);
        try
        {
            foreach (var slice in weights.InFileOrder(WeightMap.Slices(model)))
            {
                weights.Fill(slice);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The tokenizer beside the weights, or in a GGUF file, or null where there is none.</summary>
    /// <param name="folder">A model folder, a GGUF file, or a tokenizer's own file.</param>
    public static Tokenizer? LoadTokenizer(string folder)
    {
        if (GgufModel.IsNamed(folder))
        {
            return GgufTokenizer.Load(folder);
        }

        string? path = File.Exists(folder) ? folder : Tokenizer.Find(folder);
        return path is null ? null : Tokenizer.Load(path);
    }

    /// <summary>Writes a model; the configuration comes last, so a folder with one is complete.</summary>
    /// <param name="folder">Created if needed.</param>
    /// <param name="model">The model.</param>
    /// <param name="type">Storage of matrices on disk.</param>
    /// <param name="companionsFrom">Folder whose tokenizer files are copied along, or null.</param>
    /// <param name="metadata">Further strings for the weights' file, or null.</param>
    /// <param name="beforeConfiguration">Called when all but config.json is there, to put something in its place; null for nothing.</param>
    public static void Save(
        string folder, Decoder model, DType type, string? companionsFrom = null,
        IReadOnlyDictionary<string, string>? metadata = null, Action? beforeConfiguration = null)
    {
        Directory.CreateDirectory(folder);
        // An older model's configuration must not meet the new weights if the process dies in between.
        File.Delete(Path.Combine(folder, ConfigurationName));
        var tensors = WeightMap.Slices(model).Select(slice => ToWrite(slice, type)).ToList();
        var merged = new Dictionary<string, string>(metadata ?? new Dictionary<string, string>()) { ["format"] = "pt" };
        SafetensorsWriter.WriteSharded(folder, tensors, merged);
        CopyCompanions(companionsFrom, folder);
        beforeConfiguration?.Invoke();
        ConfigurationWriter.Write(
            model.Configuration with { StorageType = type }, Path.Combine(folder, ConfigurationName));
    }

    /// <summary>Copies tokenizer and generation files, where they exist, from one model's folder to another's.</summary>
    public static void CopyCompanions(string? source, string target)
    {
        if (source is null)
        {
            return;
        }

        if (GgufModel.IsNamed(source))
        {
            foreach (var (name, bytes) in GgufTokenizer.CompanionFiles(source))
            {
                AtomicReplacement.Write(Path.Combine(target, name), bytes.Length, stream => stream.Write(bytes));
            }

            return;
        }

        foreach (string name in CompanionFiles.Where(name => File.Exists(Path.Combine(source, name))))
        {
            string destination = Path.Combine(target, name);
            if (Path.GetFullPath(Path.Combine(source, name)) != Path.GetFullPath(destination))
            {
                // The contents alone: a read-only original must not make the copy read-only.
                byte[] bytes = File.ReadAllBytes(Path.Combine(source, name));
                AtomicReplacement.Write(destination, bytes.Length, stream => stream.Write(bytes));
            }
        }
    }

    /// <summary>The same weights in another storage type, in an arena of their own beside the model.</summary>
    public static Decoder Convert(Decoder model, DType type)
    {
        var copy = Decoder.Allocate(model.Configuration, type, model.Memory);
        foreach (var (source, target) in model.Parameters.Zip(copy.Parameters))
        {
            ParameterConversion.Copy(source, target);
        }

        return copy;
    }

    private static TensorToWrite ToWrite(WeightSlice slice, DType type)
    {
        var view = slice.Parameter.RowsView(slice.RowStart, slice.Rows);
        return new TensorToWrite(slice.Name, type, slice.Shape, view.Address) { Source = view.Type, Memory = slice.Parameter.Memory };
    }
}
