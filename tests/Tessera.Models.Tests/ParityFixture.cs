using System.Formats.Tar;
using System.IO.Compression;
using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests;

/// <summary>
/// A small random model and what transformers computes from it, unpacked to a temporary folder: <c>config.json</c>,
/// <c>model.safetensors</c>, <c>reference.safetensors</c>. The test is skipped where the archive is not there.
/// </summary>
public sealed class ParityFixture : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="name">An archive of the parity data without its ending, for example <c>llama3</c>.</param>
    public ParityFixture(string name)
    {
        try
        {
            string archive = SharedData.Require("parity", $"{name}.tar.gz");
            using FileStream packed = System.IO.File.OpenRead(archive);
            using var plain = new GZipStream(packed, CompressionMode.Decompress);
            TarFile.ExtractToDirectory(plain, _folder.FullPath, overwriteFiles: false);
        }
        catch
        {
            _folder.Dispose();
            throw;
        }

        Folder = _folder.File(name);
    }

    /// <summary>The model's folder.</summary>
    public string Folder { get; }

    /// <summary>Opens the weights; the caller disposes.</summary>
    public SafetensorsCheckpoint OpenModel() => SafetensorsCheckpoint.Open(Folder);

    /// <summary>Opens inputs, logits, loss, gradients and greedy tokens; the caller disposes.</summary>
    public SafetensorsCheckpoint OpenReference() => SafetensorsCheckpoint.Open(Path.Combine(Folder, "reference.safetensors"));

    /// <summary>A tensor's elements as floats, whatever its shape.</summary>
    public static unsafe float[] ReadFloats(SafetensorsCheckpoint checkpoint, string name)
    {
        Assert.True(checkpoint.TryGet(name, out SafetensorsTensor? tensor), $"no tensor '{name}'");
        var values = new float[tensor.ElementCount];
        fixed (float* destination = values)
        {
            checkpoint.CopyTo(name, DType.F32, (nint)destination, tensor.Shape);
        }

        return values;
    }

    public void Dispose() => _folder.Dispose();
}
