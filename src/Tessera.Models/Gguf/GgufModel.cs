using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Gguf;

/// <summary>A model in one GGUF file.</summary>
public static unsafe class GgufModel
{
    /// <summary>How file names end.</summary>
    public const string Extension = ".gguf";

    /// <summary>Whether a path names such a file.</summary>
    public static bool IsNamed(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) && !Directory.Exists(path);

    /// <summary>The configuration alone.</summary>
    /// <exception cref="InvalidDataException">The file is missing, damaged or of a kind that is not supported.</exception>
    public static ModelConfiguration ReadConfiguration(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return GgufConfiguration.Read(file);
    }

    /// <summary>Loads configuration and weights.</summary>
    /// <param name="path">The file.</param>
    /// <param name="type">Storage of matrices in memory; null for bf16 where all matrices are stored so, else f32.</param>
    /// <param name="target">Whose memory takes the weights; null for the processor's.</param>
    /// <exception cref="InvalidDataException">The file is missing, damaged, or does not hold what its metadata says.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "Returned to the caller, disposed of where filling it fails.")]
    public static Decoder Load(string path, DType? type = null, Device? target = null)
    {
        using GgufWeights weights = GgufWeights.Open(path, target);
        var model = Decoder.Allocate(weights.Configuration, type ?? weights.Configuration.StorageType, target);
        try
        {
            foreach (WeightSlice slice in weights.InFileOrder(WeightMap.Slices(model)))
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

    /// <summary>Refuses, before memory is taken, metadata that describes more than the tensors hold.</summary>
    internal static void EnsurePlausible(GgufFile file, ModelConfiguration configuration)
    {
        long elements = file.Tensors.Sum(tensor => tensor.ElementCount);
        if (configuration.ParameterCount > elements)
        {
            throw new InvalidDataException(
                $"{file.FilePath}: the metadata describes {configuration.ParameterCount:N0} parameters, the tensors hold {elements:N0}");
        }
    }

    /// <summary>Compares the tensors of a file with what its metadata asks for; nothing is allocated.</summary>
    /// <returns>A clause for each tensor that is missing or of another shape or type, and the names that nothing asks for.</returns>
    /// <exception cref="InvalidDataException">The metadata is not acceptable.</exception>
    public static (IReadOnlyList<string> Problems, IReadOnlyList<string> Unknown) Check(GgufFile file)
    {
        ModelConfiguration configuration = GgufConfiguration.Read(file);
        var problems = new List<string>();
        var left = Others(file, configuration);
        foreach (ExpectedTensor expected in ExpectedTensors.Of(configuration))
        {
            string? name = GgufNames.Of(expected.Name);
            if (Problem(name is null ? null : left.GetValueOrDefault(name), name ?? expected.Name, expected.Shape) is { } problem)
            {
                problems.Add(problem);
            }

            left.Remove(name ?? string.Empty);
        }

        return (problems, [.. left.Keys.Order(StringComparer.Ordinal)]);
    }

    /// <summary>Which stored tensor each weight is; all are there, of the right shape and a type that is read, and none is left over.</summary>
    internal static List<(WeightSlice Slice, GgufTensor Tensor)> Pair(GgufFile file, Decoder model)
    {
        Dictionary<string, GgufTensor> left = Others(file, model.Configuration);
        var pairs = new List<(WeightSlice, GgufTensor)>();
        foreach (WeightSlice slice in WeightMap.Slices(model))
        {
            string name = GgufNames.Of(slice.Name) ?? throw new NotSupportedException($"{file.FilePath}: no tensor of this form is a {slice.Name}");
            left.Remove(name, out GgufTensor? tensor);
            if (Problem(tensor, name, slice.Shape) is { } problem)
            {
                throw new InvalidDataException($"{file.FilePath}: {problem}");
            }

            pairs.Add((slice, tensor!));
        }

        return left.Count == 0
            ? pairs
            : throw new InvalidDataException(
                $"{file.FilePath}: the file holds {SafetensorsHeader.Quote(left.Keys.Order(StringComparer.Ordinal).First())}, for which the model that its metadata describes has no place");
    }

    private static string? Problem(GgufTensor? tensor, string name, ReadOnlySpan<long> shape)
    {
        if (tensor is null)
        {
            return $"tensor '{name}' is missing";
        }

        return tensor.Shape.AsSpan().SequenceEqual(shape) && Enum.IsDefined(tensor.Type)
            ? null
            : $"tensor '{name}' is {tensor}, expected {SafetensorsTensor.ShapeText(shape)} of F32, F16, BF16, Q8_0 or Q4_0";
    }

    private static Dictionary<string, GgufTensor> Others(GgufFile file, ModelConfiguration configuration)
    {
        var left = file.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        left.Remove(GgufNames.RopeDivisors);
        GgufFillers.Read(file, configuration.Layers.Length).RemoveFrom(left, file);
        return left;
    }

    internal static void Fill(
        CpuDevice device, Device? target, Arena scratch, GgufFile file, WeightSlice slice, GgufTensor tensor, int reordered)
    {
        if (slice.Parameter.Type.HasScales())
        {
            GgufRoundedRows.Fill(device, slice.Parameter.Type == DType.FP8 && target is not null ? target : device, file, slice, tensor, reordered);
            return;
        }

        long storedRowBytes = tensor.Bytes / slice.Rows;
        slice.Parameter.Write(
            slice.RowStart,
            slice.Rows,
            (row, view) =>
            {
                nint source = file.Address(tensor) + (nint)(row * storedRowBytes);
                Convert(device, tensor.Type, source, view.Type, view.Address, (long)view.Rows * view.Columns);
                if (reordered > 1)
                {
                    ToHalves(scratch, view, reordered);
                }
            },
            unit: reordered);
    }

    private static void ToHalves(Arena scratch, MatrixView view, int headRows)
    {
        long rowBytes = (long)view.Columns * view.Type.Bytes();
        var head = (byte*)scratch.Allocate(headRows * rowBytes);
        for (int row = 0; row < view.Rows; row += headRows)
        {
            var rows = (byte*)view.Address + (row * rowBytes);
            Buffer.MemoryCopy(rows, head, headRows * rowBytes, headRows * rowBytes);
            RotaryPairs.ToHalves(head, rows, headRows, rowBytes);
        }

        scratch.Reset();
    }

    /// <summary>Elements of a file to f32 or bf16.</summary>
    internal static void Convert(Device device, GgufTensorType from, nint source, DType target, nint destination, long count)
    {
        if (from is GgufTensorType.Q8 or GgufTensorType.Q4)
        {
            BlockFormat format = from == GgufTensorType.Q8 ? BlockFormat.Q8 : BlockFormat.Q4;
            BlockQuantization.Dequantize(device, format, (byte*)source, target, destination, count);
            return;
        }

        SafetensorsType type = from switch
        {
            GgufTensorType.F32 => SafetensorsType.F32,
            GgufTensorType.F16 => SafetensorsType.F16,
            _ => SafetensorsType.BF16,
        };
        ElementConversion.TryCopy(device, type, source, target, destination, count);
    }
}
