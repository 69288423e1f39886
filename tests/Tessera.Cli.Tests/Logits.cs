using Tessera.Devices;
using Tessera.Models.Safetensors;

namespace Tessera.Cli.Tests;

/// <summary>A model's logits by way of the <c>logits</c> verb, the path that other tests hold against transformers.</summary>
internal static unsafe class Logits
{
    /// <summary>[ids.Length][vocabulary].</summary>
    public static float[][] Of(TinyModel files, string model, int[] ids)
    {
        string input = files.At("logits-in.safetensors"), output = files.At("logits-out.safetensors");
        long[] wide = [.. ids.Select(id => (long)id)];
        WriteIds(input, wide);
        CliRun.Good("logits", model, "--input", input, "--output", output, "--threads", "1");
        using var file = SafetensorsCheckpoint.Open(output);
        Assert.True(file.TryGet("logits", out var tensor));
        float[] values = new float[tensor.ElementCount];
        fixed (float* target = values)
        {
            file.CopyTo("logits", DType.F32, (nint)target, tensor.Shape);
        }

        return [.. values.Chunk((int)tensor.Shape[^1])];
    }

    /// <summary>−log softmax(row)[id] in double.</summary>
    public static double NegativeLogLikelihood(float[] row, int id)
    {
        double highest = row.Max();
        return highest + Math.Log(row.Sum(value => Math.Exp(value - highest))) - row[id];
    }

    // The format by hand: a length, a JSON header, the data.
    private static void WriteIds(string path, long[] ids)
    {
        string header = $$$"""{"input_ids":{"dtype":"I64","shape":[1,{{{ids.Length}}}],"data_offsets":[0,{{{ids.Length * 8}}}]}}""";
        header = header.PadRight((header.Length + 7) / 8 * 8);
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write((long)header.Length);
        writer.Write(System.Text.Encoding.ASCII.GetBytes(header));
        foreach (long id in ids)
        {
            writer.Write(id);
        }
    }
}
