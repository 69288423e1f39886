using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;

namespace Tessera.Cli.Data;

/// <summary>Whether the tensors of a checkpoint are those that its configuration asks for.</summary>
/// <param name="Source">Folder or file.</param>
/// <param name="Tensors">Number of stored tensors.</param>
/// <param name="Types">Their element types.</param>
/// <param name="Problems">A clause for each tensor that is missing, or of another shape or type.</param>
/// <param name="Unknown">Stored tensors that nothing asks for.</param>
internal sealed record WeightReport(
    string Source, int Tensors, IReadOnlyList<string> Types, IReadOnlyList<string> Problems, IReadOnlyList<string> Unknown)
{
    private static readonly SafetensorsType[] Readable =
        [SafetensorsType.F32, SafetensorsType.BF16, SafetensorsType.F16, SafetensorsType.F64];

    /// <summary>Whether a model can be loaded from them.</summary>
    public bool Fits => Problems.Count == 0;

    /// <summary>Reads the headers only; null where there are no weights.</summary>
    public static WeightReport? Read(ModelSource source)
    {
        if (GgufModel.IsNamed(source.Folder))
        {
            return ReadGguf(source.Folder);
        }

        if (!Directory.EnumerateFiles(source.Folder, "model*.safetensors*").Any())
        {
            return null;
        }

        using var checkpoint = SafetensorsCheckpoint.Open(source.Folder);
        var problems = new List<string>();
        var unknown = new HashSet<string>(checkpoint.Names, StringComparer.Ordinal);
        foreach (var expected in ExpectedTensors.Of(source.Configuration))
        {
            if (Find(checkpoint, source, expected.Name) is not { } tensor)
            {
                problems.Add($"tensor {expected.Name} is missing");
                continue;
            }

            unknown.Remove(tensor.Name);
            if (!tensor.Shape.AsSpan().SequenceEqual(expected.Shape) || !Readable.Contains(tensor.Type))
            {
                problems.Add($"tensor {tensor.Name} is {tensor}, expected [{string.Join(", ", expected.Shape)}] of F32, BF16, F16 or F64");
            }
        }

        if (source.Configuration.TieEmbeddings)
        {
            // A tied head may be stored a second time.
            unknown.Remove(WeightMap.Head);
        }

        string[] types = [.. checkpoint.Files.SelectMany(file => file.Tensors).Select(tensor => tensor.Type.ToString()).Distinct().Order()];
        return new WeightReport(source.Folder, checkpoint.Names.Count, types, problems, [.. unknown.Order(StringComparer.Ordinal)]);
    }

    private static WeightReport ReadGguf(string path)
    {
        using var file = GgufFile.Open(path);
        var (problems, unknown) = GgufModel.Check(file);
        string[] types = [.. file.Tensors.Select(tensor => tensor.Type.Label()).Distinct().Order(StringComparer.Ordinal)];
        return new WeightReport(path, file.Tensors.Count, types, problems, unknown);
    }

    private static SafetensorsTensor? Find(SafetensorsCheckpoint checkpoint, ModelSource source, string name)
    {
        if (checkpoint.TryGet(name, out var tensor))
        {
            return tensor;
        }

        return name == WeightMap.Embedding && source.Configuration.TieEmbeddings && checkpoint.TryGet(WeightMap.Head, out tensor)
            ? tensor
            : null;
    }
}
