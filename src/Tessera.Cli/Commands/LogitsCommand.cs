using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;
using Tessera.Tensors;
using Tessera.Training;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>logits</c>: a model's logits, and on request the gradient of its loss, for given ids.</summary>
internal static class LogitsCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = ModelSource.Description };
        var input = new Option<string>("--input") { Description = "safetensors with input_ids [B,T] (I64 or I32).", Required = true };
        var output = new Option<string>("--output") { Description = "safetensors to write: logits [B,T,V].", Required = true };
        var gradients = new Option<bool>("--gradients") { Description = "Also loss [1] and grad.NAME of every weight (next-token cross-entropy)." };
        var type = SharedOptions.StorageType();
        var device = SharedOptions.Device();
        var threads = SharedOptions.Threads();
        var command = new Command("logits", "Logits and gradients for given ids.") { model, input, output, gradients, type, device, threads };
        command.SetAction(result =>
        {
            var storage = SharedOptions.ParseDataType(result.GetValue(type)!);
            using var opened = SharedOptions.OpenServing(result.GetValue(device)!, result.GetValue(threads), storage);
            if (result.GetValue(gradients) && storage != DType.F32)
            {
                throw new ArgumentException("--gradients needs --dtype f32");
            }

            using var decoder = ModelSource.Open(result.GetValue(model)!).Load(storage, opened);
            Run(opened, decoder, result.GetValue(input)!, result.GetValue(output)!, result.GetValue(gradients));
        });
        return command;
    }

    private static void Run(Device device, Decoder model, string input, string output, bool withGradients)
    {
        var (ids, rows, columns) = ReadIds(input, model.Configuration.VocabularySize);
        using var arena = device.CreateArena("logits");
        int vocabulary = model.Configuration.VocabularySize;
        var tensors = new List<TensorToWrite>();
        var executor = new Executor(device, arena, null);
        int[] lengths = [.. Enumerable.Repeat(columns, rows)];
        var hidden = model.Forward(executor, StepBatch.Packed(arena, ids, lengths));
        var logits = executor.Logits(hidden, model.Head);
        tensors.Add(new TensorToWrite("logits", DType.F32, [rows, columns, vocabulary], logits.Address) { Memory = device.Memory });
        if (!withGradients)
        {
            SafetensorsWriter.Write(output, tensors);
            return;
        }

        var documents = Enumerable.Range(0, rows).Select(r => TokenDocument.Uniform(ids[(r * columns)..((r + 1) * columns)])).ToList();
        var batch = BatchPacker.Pack(documents, columns, ids.Length);
        using var optimizer = new Optimizer(device, model.Parameters);
        using var objective = new Objective(device, model, ObjectiveWeights.LanguageModelling);
        var loss = objective.Accumulate(batch, batch.WeightSum);
        nint lossValue = arena.Allocate(sizeof(float));
        device.Upload<float>([(float)loss.CrossEntropy], lossValue);
        tensors.Add(new TensorToWrite("loss", DType.F32, [1], lossValue) { Memory = device.Memory });
        foreach (var slice in WeightMap.Slices(model))
        {
            var gradient = slice.Parameter.Gradient + ((long)slice.RowStart * slice.Parameter.Columns);
            tensors.Add(new TensorToWrite("grad." + slice.Name, DType.F32, slice.Shape, gradient.Address)
            {
                Source = gradient.Type,
                Memory = device.Memory,
            });
        }

        SafetensorsWriter.Write(output, tensors);
    }

    private static (int[] Ids, int Rows, int Columns) ReadIds(string path, int vocabulary)
    {
        using var file = SafetensorsCheckpoint.Open(path);
        if (!file.TryGet("input_ids", out var tensor) || tensor.Shape.Length != 2 || tensor.ElementCount is < 1 or > 16_777_216)
        {
            throw new InvalidDataException($"{path}: tensor input_ids is missing or not of the shape [B,T] with at most 16,777,216 elements");
        }

        long[] wide = file.ReadInt64("input_ids");
        long bad = Array.FindIndex(wide, id => id < 0 || id >= vocabulary);
        return bad >= 0
            ? throw new InvalidDataException($"{path}: input_ids element {bad} is {wide[bad]}, expected an id below {vocabulary}")
            : (Array.ConvertAll(wide, id => (int)id), (int)tensor.Shape[0], (int)tensor.Shape[1]);
    }
}
