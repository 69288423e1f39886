using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;

namespace Tessera.Models.Safetensors;

/// <summary>All weights of a model: one file, or shards joined by <c>model.safetensors.index.json</c>.</summary>
/// <remarks>
/// A name that no file holds but that a file's metadata maps to one of its tensors is found too: writers store a
/// tensor that has two names (a tied head and embedding) once and note the other name there.
/// </remarks>
public sealed class SafetensorsCheckpoint : IDisposable
{
    // What a tensor is converted in, where its memory cannot be reached: 32 MiB of f32.
    private const long PortionElements = 8L << 20;

    private readonly List<SafetensorsFile> _files = [];
    private readonly SortedDictionary<string, SafetensorsFile> _owners = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _aliases = new(StringComparer.Ordinal);

    private SafetensorsCheckpoint(string source) => Source = source;

    /// <summary>The folder or file it was opened by.</summary>
    public string Source { get; }

    /// <summary>Names of the stored tensors in ordinal order, second names not included.</summary>
    public IReadOnlyCollection<string> Names => _owners.Keys;

    /// <summary>The mapped files.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>Opens a safetensors file, an index, or a folder that holds one of them; the index is preferred.</summary>
    /// <exception cref="InvalidDataException">A file is missing or bad, or the index and the files disagree.</exception>
    public static SafetensorsCheckpoint Open(string folderOrFile)
    {
        string file = folderOrFile;
        if (Directory.Exists(folderOrFile))
        {
            string index = Path.Combine(folderOrFile, SafetensorsIndex.IndexName);
            file = File.Exists(index) ? index : Path.Combine(folderOrFile, SafetensorsIndex.SingleName);
            if (!File.Exists(file))
            {
                throw new InvalidDataException(
                    $"{folderOrFile}: holds neither {SafetensorsIndex.IndexName} nor {SafetensorsIndex.SingleName}");
            }
        }

        var checkpoint = new SafetensorsCheckpoint(folderOrFile);
        try
        {
            if (file.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            {
                checkpoint.AddShards(file);
            }
            else
            {
                checkpoint.Add(file);
            }

            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up by its name, or its second name.</summary>
    public bool TryGet(string name, [MaybeNullWhen(false)] out SafetensorsTensor tensor)
    {
        string stored = _aliases.GetValueOrDefault(name, name);
        tensor = null;
        return _owners.TryGetValue(stored, out SafetensorsFile? file) && file.TryGet(stored, out tensor);
    }

    /// <summary>Refuses what <see cref="CopyTo(string, DType, nint, ReadOnlySpan{long})"/> would refuse, without reading.</summary>
    /// <exception cref="InvalidDataException">No such tensor, another shape, or not floating-point.</exception>
    public void Check(string name, params ReadOnlySpan<long> expectedShape)
    {
        SafetensorsTensor tensor = Require(name);
        EnsureShape(name, tensor, expectedShape);
        if (tensor.Type is not (SafetensorsType.F32 or SafetensorsType.BF16 or SafetensorsType.F16 or SafetensorsType.F64))
        {
            throw NotFloatingPoint(name, tensor);
        }
    }

    /// <summary>The first byte of a tensor; any alignment.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public nint Address(string name)
    {
        SafetensorsTensor tensor = Require(name);
        return _owners[tensor.Name].Address(tensor.Name);
    }

    /// <summary>Copies a floating-point tensor to memory as f32 or bf16.</summary>
    /// <param name="name">F32, BF16, F16 or F64 in the file. f64 goes to bf16 through f32.</param>
    /// <param name="target">f32 or bf16.</param>
    /// <param name="destination">Room for all elements, dense.</param>
    /// <param name="expectedShape">The shape that the model needs.</param>
    /// <exception cref="InvalidDataException">No such tensor, another shape, or not floating-point.</exception>
    public void CopyTo(string name, DType target, nint destination, params ReadOnlySpan<long> expectedShape)
    {
        using var device = new CpuDevice(1);
        CopyTo(device, name, target, HostMemory.Instance, destination, expectedShape);
    }

    /// <inheritdoc cref="CopyTo(string, DType, nint, ReadOnlySpan{long})" />
    /// <param name="device">Whose workers share the conversion.</param>
    /// <param name="name">F32, BF16, F16 or F64 in the file. f64 goes to bf16 through f32.</param>
    /// <param name="target">f32 or bf16.</param>
    /// <param name="memory">Where the destination lies.</param>
    /// <param name="destination">Room for all elements, dense.</param>
    /// <param name="expectedShape">The shape that the model needs.</param>
    public void CopyTo(
        Device device, string name, DType target, DeviceMemory memory, nint destination, params ReadOnlySpan<long> expectedShape)
    {
        SafetensorsTensor tensor = Require(name);
        EnsureShape(name, tensor, expectedShape);
        SafetensorsFile file = _owners[tensor.Name];
        file.WillNeed(tensor);
        nint source = Address(name);
        long elementBytes = tensor.ElementCount == 0 ? 0 : tensor.Bytes / tensor.ElementCount;
        long done = 0, portion = Math.Min(PortionElements, memory.DirectBytes / target.Bytes());
        do
        {
            long count = Math.Min(portion, tensor.ElementCount - done), first = done;
            memory.Write(destination + (nint)(done * target.Bytes()), count * target.Bytes(), room =>
            {
                if (!ElementConversion.TryCopy(
                    device, tensor.Type, source + (nint)(first * elementBytes), target, room, count))
                {
                    throw NotFloatingPoint(name, tensor);
                }
            });
            done += count;

            // A large tensor would otherwise be in memory twice by its end.
            file.Release(tensor, done * elementBytes);
        }
        while (done < tensor.ElementCount);

        file.Release(tensor);
    }

    /// <summary>Copies rows of a floating-point matrix to memory as f32.</summary>
    /// <param name="device">Whose workers share the conversion.</param>
    /// <param name="name">F32, BF16, F16 or F64 in the file.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="destination">Room for all their elements, dense.</param>
    /// <param name="expectedShape">The shape that the model needs for the whole, two sizes.</param>
    /// <exception cref="InvalidDataException">No such tensor, another shape, or not floating-point.</exception>
    public unsafe void CopyRows(
        Device device, string name, int firstRow, int rows, float* destination, params ReadOnlySpan<long> expectedShape)
    {
        SafetensorsTensor tensor = Require(name);
        EnsureShape(name, tensor, expectedShape);
        long columns = expectedShape[^1], bytes = tensor.ElementCount == 0 ? 0 : tensor.Bytes / tensor.ElementCount;
        nint source = Address(name) + (nint)(firstRow * columns * bytes);
        if (!ElementConversion.TryCopy(device, tensor.Type, source, DType.F32, (nint)destination, rows * columns))
        {
            throw NotFloatingPoint(name, tensor);
        }
    }

    /// <summary>Where a tensor lies, for reading in the order of the bytes: number of the file and offset in it; in front of all where there is none, so that it is missed at once.</summary>
    public (int File, long Offset) Position(string name) =>
        TryGet(name, out SafetensorsTensor? tensor) ? (_files.IndexOf(_owners[tensor.Name]), tensor.Offset) : (-1, 0);

    /// <summary>The elements of an I32 or I64 tensor, row-major.</summary>
    /// <exception cref="InvalidDataException">No such tensor, another type, or too many elements for an array.</exception>
    public long[] ReadInt64(string name)
    {
        SafetensorsTensor tensor = Require(name);
        if (tensor.Type is not (SafetensorsType.I32 or SafetensorsType.I64))
        {
            throw new InvalidDataException(
                $"{FileOf(tensor)}: tensor '{name}' is of type {tensor.Type.Label()}, expected I32 or I64");
        }

        return tensor.ElementCount <= Array.MaxLength
            ? ElementConversion.ReadIntegers(tensor.Type, Address(name), (int)tensor.ElementCount)
            : throw new InvalidDataException(
                $"{FileOf(tensor)}: tensor '{name}' has {tensor.ElementCount} elements, expected at most {Array.MaxLength}");
    }

    /// <inheritdoc />
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private void EnsureShape(string name, SafetensorsTensor tensor, ReadOnlySpan<long> expectedShape)
    {
        if (!expectedShape.SequenceEqual(tensor.Shape))
        {
            throw new InvalidDataException(
                $"{FileOf(tensor)}: tensor '{name}' has the shape {SafetensorsTensor.ShapeText(tensor.Shape)}, "
                + $"expected {SafetensorsTensor.ShapeText(expectedShape)}");
        }
    }

    private InvalidDataException NotFloatingPoint(string name, SafetensorsTensor tensor) =>
        new($"{FileOf(tensor)}: tensor '{name}' is of type {tensor.Type.Label()}, expected F32, BF16, F16 or F64");

    private string FileOf(SafetensorsTensor tensor) => _owners[tensor.Name].FilePath;

    private SafetensorsTensor Require(string name) =>
        TryGet(name, out SafetensorsTensor? tensor)
            ? tensor
            : throw new InvalidDataException($"{Source}: there is no tensor '{name}'");

    private void AddShards(string indexPath)
    {
        Dictionary<string, string> map = SafetensorsIndex.Read(indexPath);
        string folder = Path.GetDirectoryName(Path.GetFullPath(indexPath))!;
        var opened = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        foreach (string name in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            string path = Path.Combine(folder, name);
            if (!File.Exists(path))
            {
                throw new InvalidDataException($"{indexPath}: weight_map names the file '{name}', which is not there");
            }

            opened[name] = Add(path);
        }

        foreach ((string tensor, string file) in map)
        {
            if (!opened[file].TryGet(tensor, out _))
            {
                throw new InvalidDataException(
                    $"{indexPath}: weight_map places tensor {SafetensorsHeader.Quote(tensor)} in '{file}', which does not hold it");
            }
        }
    }

    private SafetensorsFile Add(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _files.Add(file);
        foreach (SafetensorsTensor tensor in file.Tensors)
        {
            if (!_owners.TryAdd(tensor.Name, file))
            {
                throw new InvalidDataException(
                    $"{file.FilePath}: tensor {SafetensorsHeader.Quote(tensor.Name)} is also in {_owners[tensor.Name].FilePath}");
            }
        }

        foreach ((string second, string stored) in file.Metadata)
        {
            if (file.TryGet(stored, out _) && !file.TryGet(second, out _))
            {
                _aliases.TryAdd(second, stored);
            }
        }

        return file;
    }
}
