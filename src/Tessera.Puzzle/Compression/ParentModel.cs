using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// The model that is compressed: its parts come from the disk one at a time, and only what cannot do without loads it whole.
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
    /// <param name="folder">The folder or file.</param>
    /// <param name="device">Whose memory takes the parts.</param>
    /// <param name="type">Storage of matrices in memory: f32, or bf16, in which a card multiplies many times as fast.</param>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or does not hold what the configuration says.</exception>
    public static ParentModel Open(string folder, Device device, DType type = DType.F32) => new(
        StoredParts.Open(folder, type, device), () => ModelFolder.Load(folder, type, device));

    /// <summary>A shape whose weights are drawn, where they lie, whenever they are asked for.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Draws them.</param>
    /// <param name="type">Storage of matrices in memory.</param>
    public static ParentModel Draw(ModelConfiguration shape, ulong seed, Device device, DType type = DType.F32) => new(
        new DrawnParts(shape, seed, device, type), () =>
        {
            var model = Decoder.Allocate(shape, type, device);
            ModelInitializer.Fill(model, seed, device);
            return model;
        });

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
