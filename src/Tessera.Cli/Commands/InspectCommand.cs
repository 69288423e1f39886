using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>inspect</c>: a model's shape and costs, and whether its weights fit the shape.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Folder, .gguf file, hf:org/name[/file.gguf][@revision], config.json, or random:CONFIG.json." };
        var context = new Option<int>("--context") { Description = "Tokens attended to, for the FLOPs of a token.", DefaultValueFactory = _ => 1024 };
        var json = SharedOptions.Json();
        var command = new Command("inspect", "A model's layers, parameters, bytes and costs.") { model, context, json };
        command.SetAction(result =>
        {
            int attended = OptionChecks.AtLeast(result, context, 1);
            var source = ModelSource.Open(result.GetValue(model)!);
            var weights = source.IsRandom ? null : WeightReport.Read(source);
            if (result.GetValue(json))
            {
                PrintJson(source, attended, weights);
            }
            else
            {
                PrintText(source, attended, weights);
            }

            if (weights is { Fits: false })
            {
                throw new InvalidDataException($"{weights.Source}: {weights.Problems[0]}" + (weights.Problems.Count > 1 ? $", and {weights.Problems.Count - 1} more" : string.Empty));
            }
        });
        return command;
    }

    private static void PrintJson(ModelSource source, int context, WeightReport? weights)
    {
        var shape = source.Configuration;
        JsonOutput.Print(new
        {
            model = source.Name,
            architecture = shape.Architecture.ToString(),
            layers = shape.Layers.Length,
            hidden_size = shape.HiddenSize,
            heads = shape.HeadCount,
            head_dim = shape.HeadDim,
            vocabulary = shape.VocabularySize,
            max_positions = shape.MaxPositions,
            tied_embeddings = shape.TieEmbeddings,
            stored_as = shape.StorageType.Label(),
            parameters = shape.ParameterCount,
            bytes_f32 = Bytes(shape, DType.F32),
            bytes_bf16 = Bytes(shape, DType.BF16),
            kv_bytes_per_token_bf16 = shape.KvBytesPerToken(DType.BF16),
            context,
            flops_per_token = shape.FlopsPerToken(context),
            embedding_parameters = EmbeddingParameters(shape),
            per_layer = shape.Layers.Select((layer, i) => new
            {
                layer = i,
                mixer = layer.Mixer.ToString(),
                feed_forward = layer.FeedForward.ToString(),
                mixer_parameters = shape.MixerParameterCount(i),
                feed_forward_parameters = shape.FeedForwardParameterCount(i),
                kv_bytes_per_token_bf16 = layer.Mixer.KvElementsPerToken(shape) * DType.BF16.Bytes(),
            }),
            weights = weights is null ? null : new
            {
                source = weights.Source,
                fits = weights.Fits,
                tensors = weights.Tensors,
                stored_types = weights.Types,
                problems = weights.Problems,
                unknown_tensors = weights.Unknown,
            },
        });
    }

    private static void PrintText(ModelSource source, int context, WeightReport? weights)
    {
        var shape = source.Configuration;
        Console.WriteLine(
            $"{source.Name}: {shape.Architecture}, {shape.Layers.Length} layers, hidden {shape.HiddenSize}, {shape.HeadCount} heads of "
            + $"{shape.HeadDim}, vocabulary {shape.VocabularySize}{(shape.TieEmbeddings ? " (tied)" : "")}, {shape.MaxPositions} positions");
        var table = new TextTable("layer", "mixer", "feed-forward", ">mixer parameters", ">feed-forward parameters");
        for (int i = 0; i < shape.Layers.Length; i++)
        {
            table.Add(
                $"{i}", $"{shape.Layers[i].Mixer}", $"{shape.Layers[i].FeedForward}", $"{shape.MixerParameterCount(i):N0}",
                $"{shape.FeedForwardParameterCount(i):N0}");
        }

        table.Print();
        Console.WriteLine($"parameters      {shape.ParameterCount:N0} ({EmbeddingParameters(shape):N0} in embedding and head)");
        Console.WriteLine($"bytes           {HumanUnits.FormatBytes(Bytes(shape, DType.F32))} in f32, {HumanUnits.FormatBytes(Bytes(shape, DType.BF16))} in bf16");
        Console.WriteLine($"KV cache        {shape.KvBytesPerToken(DType.BF16):N0} bytes a token in bf16");
        Console.WriteLine($"FLOPs           {shape.FlopsPerToken(context) / 1e6:N3} million a token at a context of {context}");
        if (weights is not null)
        {
            Console.WriteLine(
                $"weights         {weights.Tensors} tensors ({string.Join(", ", weights.Types)}), "
                + (weights.Fits ? "all that its configuration asks for" : $"{weights.Problems.Count} do not fit its configuration"));
            weights.Problems.ToList().ForEach(problem => Console.WriteLine($"  {problem}"));
            weights.Unknown.ToList().ForEach(name => Console.WriteLine($"  unknown tensor {name}"));
        }
        else if (!source.IsRandom)
        {
            Console.WriteLine("weights         none there");
        }
    }

    private static long EmbeddingParameters(ModelConfiguration shape) =>
        (shape.TieEmbeddings ? 1L : 2L) * shape.VocabularySize * shape.HiddenSize;

    private static long Bytes(ModelConfiguration shape, DType type) => shape.ParameterCount * type.Bytes();
}
