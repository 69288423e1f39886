using System.Globalization;
using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.Tensors;

namespace Tessera.Training.Checkpoints;

/// <summary>
/// The whole state of a run in one file, replaced atomically: parameters, both moments, step and data position.
/// </summary>
public static class TrainingCheckpoint
{
    private const string StepKey = "tessera.step";
    private const string DocumentKey = "tessera.next_document";
    private const string DataPositionKey = "tessera.data_position";
    private const string IdentityKey = "tessera.identity";

    /// <summary>Writes the state.</summary>
    /// <param name="path">A <c>.safetensors</c> file.</param>
    /// <param name="trainer">The run.</param>
    /// <param name="identity">Hash of everything that decides the run; a checkpoint of another run is refused.</param>
    public static void Save(string path, Trainer trainer, string identity) =>
        Save(path, trainer.Optimizer, trainer.NextDocument, identity, trainer.DataPosition);

    /// <summary>Writes the state.</summary>
    /// <param name="path">A <c>.safetensors</c> file.</param>
    /// <param name="optimizer">Parameters, moments, number of updates.</param>
    /// <param name="position">Where the data stand: the next document, or the steps done.</param>
    /// <param name="identity">Hash of everything that decides the run; a checkpoint of another run is refused.</param>
    /// <param name="dataPosition">What a source needs besides the number, or null.</param>
    public static void Save(string path, Optimizer optimizer, long position, string identity, string? dataPosition = null)
    {
        var tensors = new List<TensorToWrite>();
        foreach (var (parameter, first, second) in optimizer.State)
        {
            long[] shape = [parameter.Rows, parameter.Columns];
            foreach (var (kind, elements) in Parts(parameter, first, second))
            {
                tensors.Add(new TensorToWrite(kind + parameter.Name, elements.Type, shape, elements.Address) { Memory = parameter.Memory });
            }
        }

        var metadata = new Dictionary<string, string>
        {
            [StepKey] = optimizer.Steps.ToString(CultureInfo.InvariantCulture),
            [DocumentKey] = position.ToString(CultureInfo.InvariantCulture),
            [IdentityKey] = identity,
        };
        if (dataPosition is not null)
        {
            metadata.Add(DataPositionKey, dataPosition);
        }

        SafetensorsWriter.Write(path, tensors, metadata);
    }

    /// <summary>Continues from a state if the file exists.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidDataException">The file is damaged or belongs to a run with other settings.</exception>
    public static bool TryRestore(string path, Trainer trainer, string identity)
    {
        if (Restore(path, trainer.Optimizer, identity) is not var (position, dataPosition))
        {
            return false;
        }

        try
        {
            trainer.Continue(position, dataPosition);
        }
        catch (InvalidDataException problem)
        {
            throw new InvalidDataException($"{path}: metadata {DataPositionKey}: {problem.Message}", problem);
        }

        return true;
    }

    /// <summary>Continues from a state if the file exists.</summary>
    /// <returns>The position that was saved, or null where there is no file.</returns>
    /// <exception cref="InvalidDataException">The file is damaged or belongs to a run with other settings.</exception>
    public static long? TryRestore(string path, Optimizer optimizer, string identity) => Restore(path, optimizer, identity)?.Position;

    private static (long Position, string? DataPosition)? Restore(string path, Optimizer optimizer, string identity)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        using var file = SafetensorsCheckpoint.Open(path);
        using var converter = new CpuDevice(1);
        if (!file.Files[0].Metadata.TryGetValue(IdentityKey, out string? found) || found != identity)
        {
            throw new InvalidDataException(
                $"{path}: this checkpoint belongs to a run with other settings; choose another --out or remove it");
        }

        int steps = (int)ReadNumber(path, file, StepKey, int.MaxValue);
        long position = ReadNumber(path, file, DocumentKey, long.MaxValue);
        foreach (var (parameter, first, second) in optimizer.State)
        {
            long[] shape = [parameter.Rows, parameter.Columns];
            foreach (var (kind, elements) in Parts(parameter, first, second))
            {
                file.CopyTo(converter, kind + parameter.Name, elements.Type, parameter.Memory, elements.Address, shape);
            }

            parameter.MarkChanged();
        }

        optimizer.RefreshWorking();
        optimizer.Steps = steps;
        return (position, file.Files[0].Metadata.GetValueOrDefault(DataPositionKey));
    }

    private static (string Kind, Elements Elements)[] Parts(Parameter parameter, Elements first, Elements second) =>
        [("parameter.", parameter.Elements), ("first.", first), ("second.", second)];

    private static long ReadNumber(string path, SafetensorsCheckpoint file, string key, long maximum) =>
        file.Files[0].Metadata.TryGetValue(key, out string? text)
        && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= maximum
            ? value
            : throw new InvalidDataException($"{path}: metadata {key} is {text ?? "missing"}, expected a number");
}
