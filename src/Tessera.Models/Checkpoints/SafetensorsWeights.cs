using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;
using Tessera.Tensors;

namespace Tessera.Models.Checkpoints;

/// <summary>The weights of a folder in Hugging Face layout.</summary>
internal sealed class SafetensorsWeights : IWeightSource
{
    private readonly SafetensorsCheckpoint _checkpoint;
    private readonly CpuDevice _converter = new();
    private readonly Device? _target;

    private SafetensorsWeights(ModelConfiguration configuration, SafetensorsCheckpoint checkpoint, Device? target)
    {
        (Configuration, _checkpoint, _target) = (configuration, checkpoint, target);
    }

    /// <inheritdoc />
    public ModelConfiguration Configuration { get; }

    /// <summary>Maps the files and holds their lists of tensors against config.json.</summary>
    /// <param name="folder">Where they lie.</param>
    /// <param name="target">Whose memory takes the weights and, in fp8, who rounds them; null for the processor.</param>
    /// <exception cref="InvalidDataException">A file is missing, damaged, or does not hold what the configuration says.</exception>
    public static SafetensorsWeights Open(string folder, Device? target = null)
    {
        var configuration = ModelFolder.ReadConfiguration(folder);
        var checkpoint = SafetensorsCheckpoint.Open(folder);
        try
        {
            EnsurePlausible(folder, configuration, checkpoint);
            using var shape = Decoder.Allocate(configuration, configuration.StorageType, PlanningMemory.Instance);
            EnsureEachTensorHasAPlace(folder, shape, checkpoint);
            return new SafetensorsWeights(configuration, checkpoint, target);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public void Fill(WeightSlice slice)
    {
        string name = StoredName(slice.Name);
        if (slice.Parameter.Type.HasScales())
        {
            FillRounded(name, slice);
            return;
        }

        var view = slice.Parameter.RowsView(slice.RowStart, slice.Rows);
        _checkpoint.CopyTo(_converter, name, slice.Parameter.Type, slice.Parameter.Memory, view.Address, slice.Shape);
        slice.Parameter.MarkChanged();
    }

    /// <summary>Slices in the order of the files' bytes: disks and the system's reading ahead like that best.</summary>
    public IEnumerable<WeightSlice> InFileOrder(IEnumerable<WeightSlice> slices) =>
        slices.OrderBy(slice => _checkpoint.Position(StoredName(slice.Name)));

    /// <summary>Refuses tensors that are missing or of another shape; loading finds them on its way.</summary>
    /// <exception cref="InvalidDataException">One sentence with the first such tensor.</exception>
    public void Check()
    {
        using var shape = Decoder.Allocate(Configuration, Configuration.StorageType, PlanningMemory.Instance);
        foreach (var slice in InFileOrder(WeightMap.Slices(shape)))
        {
            _checkpoint.Check(StoredName(slice.Name), slice.Shape);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _checkpoint.Dispose();
        _converter.Dispose();
    }

    // Some tied checkpoints keep the shared table under the head's name alone.
    private string StoredName(string name) =>
        name == WeightMap.Embedding && Configuration.TieEmbeddings
        && !_checkpoint.TryGet(name, out _) && _checkpoint.TryGet(WeightMap.Head, out _)
            ? WeightMap.Head
            : name;

    /// <summary>Rounds a stored matrix into its rows of a parameter, in portions.</summary>
    private unsafe void FillRounded(string name, WeightSlice slice)
    {
        try
        {
            RoundedRows.Fill(
                slice.Parameter.Type == DType.FP8 && _target is not null ? _target : _converter, slice.Parameter, slice.RowStart, slice.Rows,
                (row, rows, target) => _checkpoint.CopyRows(_converter, name, row, rows, target, slice.Shape));
        }
        catch (InvalidDataException exception) when (!exception.Message.StartsWith(_checkpoint.Source, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{_checkpoint.Source}: tensor '{name}', {exception.Message}", exception);
        }
    }

    /// <summary>Refuses, before memory is taken, a configuration far larger than the file that should hold its weights.</summary>
    private static void EnsurePlausible(string folder, ModelConfiguration configuration, SafetensorsCheckpoint checkpoint)
    {
        long elements = checkpoint.Files.Sum(file => file.Tensors.Sum(tensor => tensor.ElementCount));
        if (configuration.ParameterCount > elements)
        {
            throw new InvalidDataException(
                $"{folder}: config.json describes {configuration.ParameterCount:N0} parameters, the weights hold {elements:N0}");
        }
    }

    /// <summary>
    /// Refuses a weight the model has no place for: without it the model would be another function than the stored one.
    /// Rotary tables, which some software stores, and the second name of a tied table say nothing new.
    /// </summary>
    private static void EnsureEachTensorHasAPlace(string folder, Decoder model, SafetensorsCheckpoint checkpoint)
    {
        var expected = WeightMap.Slices(model).Select(slice => slice.Name).Append(WeightMap.Head).ToHashSet(StringComparer.Ordinal);
        string? extra = checkpoint.Names.FirstOrDefault(
            name => !expected.Contains(name) && !name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal));
        if (extra is not null)
        {
            throw new InvalidDataException(
                $"{folder}: the weights hold '{extra}', for which the model that config.json describes has no place");
        }
    }
}
