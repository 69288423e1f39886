using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Models.Gguf;

/// <summary>The weights of one GGUF file.</summary>
internal sealed class GgufWeights : IWeightSource
{
    private readonly GgufFile _file;
    private readonly string _architecture;
    private readonly Dictionary<string, GgufTensor> _tensors;
    private readonly CpuDevice _converter = new();
    private readonly Device? _target;
    private readonly Arena _scratch = new("gguf rows");

    private GgufWeights(GgufFile file, ModelConfiguration configuration, Dictionary<string, GgufTensor> tensors, Device? target)
    {
        (_file, Configuration, _tensors, _target) = (file, configuration, tensors, target);
        _architecture = GgufConfiguration.Architecture(file);
    }

    /// <inheritdoc />
    public ModelConfiguration Configuration { get; }

    /// <summary>Maps the file and holds its tensors against its metadata.</summary>
    /// <param name="path">The file.</param>
    /// <param name="target">Whose memory takes the weights and, in fp8, who rounds them; null for the processor.</param>
    /// <exception cref="InvalidDataException">The file is missing, damaged, or does not hold what its metadata says.</exception>
    public static GgufWeights Open(string path, Device? target = null)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            ModelConfiguration configuration = GgufConfiguration.Read(file);
            GgufModel.EnsurePlausible(file, configuration);
            using var shape = Decoder.Allocate(configuration, configuration.StorageType, PlanningMemory.Instance);
            return new GgufWeights(
                file, configuration, GgufModel.Pair(file, shape).ToDictionary(pair => pair.Slice.Name, pair => pair.Tensor, StringComparer.Ordinal), target);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public void Fill(WeightSlice slice)
    {
        GgufTensor tensor = _tensors[slice.Name];
        _file.WillNeed(tensor);
        GgufModel.Fill(
            _converter, _target, _scratch, _file, slice, tensor, GgufNames.IsReordered(_architecture, slice.Name) ? Configuration.HeadDim : 1);
        _file.Release(tensor);
    }

    /// <summary>Slices in the order of the file's bytes.</summary>
    public IEnumerable<WeightSlice> InFileOrder(IEnumerable<WeightSlice> slices) => slices.OrderBy(slice => _tensors[slice.Name].Offset);

    /// <inheritdoc />
    public void Dispose()
    {
        _file.Dispose();
        _converter.Dispose();
        _scratch.Dispose();
    }
}
