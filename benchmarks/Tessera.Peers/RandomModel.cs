using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;

namespace Tessera.Peers;

/// <summary>A GGUF file with seeded weights: speed does not depend on what a model has learned.</summary>
internal static class RandomModel
{
    public static void Write(string configuration, string path, string type)
    {
        Console.Error.WriteLine($"making {path}");
        using var model = Decoder.Allocate(ModelFolder.ReadConfiguration(configuration), DType.F32);
        ModelInitializer.Fill(model, 1);
        GgufExport.Write(path, model, TypeOf(type), Path.GetFileNameWithoutExtension(configuration));
    }

    private static GgufTensorType TypeOf(string type) => type switch
    {
        "f32" => GgufTensorType.F32,
        "bf16" => GgufTensorType.BF16,
        "int8" => GgufTensorType.Q8_0,
        "int4" => GgufTensorType.Q4_0,
        _ => throw new ArgumentException($"--dtype {type}: expected f32, bf16, int8 or int4"),
    };
}
