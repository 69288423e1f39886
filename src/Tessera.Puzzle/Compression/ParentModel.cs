using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// The model that is compressed, in f32: its parts come from the disk one at a time, and only what cannot do without loads it whole.
/// </summary>
public sealed class ParentModel : IDisposable
{
    private readonly Lazy<Decoder> _whole;

    private ParentModel(ModelParts parts, Func<Decoder> load) => (Parts, _whole) = (parts, new Lazy<Decoder>(load));

    /// <summary>Its parts.</summary>
    public ModelParts Parts { get; }

    /// <summary>Its shapes.</summary>
    public ModelConfiguration Configuration => Parts.Configuration;

    /// <summary>All of it in memory from the first use on: for global distillation and fusion.</summary>
    public Decoder Whole => _whole.Value;

    /// <summary>Opens a model's folder or GGUF file; no weight is read.</summary>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or does not hold what the configuration says.</exception>
    public static ParentModel Open(string folder, Device device) => new(
        StoredParts.Open(folder, DType.F32, device), () => ModelFolder.Load(folder, DType.F32, device));

    /// <inheritdoc />
    public void Dispose()
    {
        Parts.Dispose();
        if (_whole.IsValueCreated)
        {
            _whole.Value.Dispose();
        }
    }
}
