using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Cli.Data.Blends;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Training.Data.Blends;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>train</c>: next-token training on text or generated problems.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var options = new TrainOptions();
        var command = new Command("train", "Train a model on text or on generated problems. Options may come from a file: train @FILE.") { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result, PlainData(options, result, ObjectiveWeights.LanguageModelling)));
        return command;
    }

    /// <summary>Training on text or generated problems, as <c>train</c> and <c>distill</c> do it.</summary>
    public static TrainingPlan PlainData(TrainOptions options, ParseResult result, ObjectiveWeights weights) => new()
    {
        Weights = weights,
        Data = context => LoadData(options, result, context),
        Identity = FileIdentity(options, result),
    };

    /// <summary>Trains <c>options.Model</c> and writes the result into the run's folder.</summary>
    public static int Run(TrainOptions options, ParseResult result, TrainingPlan plan)
    {
        var (weights, teacherFolder, layerMap) = (plan.Weights, plan.Teacher, plan.LayerMap);
        string source = ModelPath.Of(result.GetValue(options.Model)!);
        string output = result.GetValue(options.Output)!;
        OptionChecks.Output(output, "checkpoint.safetensors", source, teacherFolder);
        var settings = options.ToSettings(result);
        var model = ModelSource.Open(source);
        if (result.GetResult(options.MaxLength) is not { Implicit: false })
        {
            // Not asked for: the default yields to a model with fewer positions.
            settings = settings with { MaxLength = Math.Min(settings.MaxLength, model.Configuration.MaxPositions) };
        }

        if (settings.MaxLength > model.Configuration.MaxPositions)
        {
            throw new ArgumentException(
                $"--max-length {settings.MaxLength}: the model takes at most {model.Configuration.MaxPositions} positions");
        }

        string precision = result.GetValue(options.Precision)!;
        using var device = SharedOptions.OpenTraining(result.GetValue(options.Device)!, result.GetValue(options.Threads), precision);
        var tokenizer = model.RequireTokenizer("training");
        TrainingMemory.Check(
            device, model.Configuration, settings, weights, teacherFolder is null ? null : ModelSource.Open(teacherFolder).Configuration, layerMap,
            SharedOptions.MasterType(precision));
        using var student = ModelFolder.Load(source, SharedOptions.MasterType(precision), device);
        using var teacher = teacherFolder is null ? null : ModelFolder.Load(teacherFolder, device.ActivationType, device);
        var shape = new TrainingShape(settings.BatchTokens, settings.MaxLength, Math.Max(0, result.GetValue(options.ValidationTokens)));
        using var data = plan.Data(new TrainingContext(model, tokenizer, shape, result.GetValue(options.Seed)));
        using var trainer = new Trainer(device, student, settings, weights, data.Documents, teacher, layerMap);
        string sourceHash = ModelHash.Of(source);
        string? teacherHash = teacherFolder is null ? null : ModelHash.Of(teacherFolder);
        var run = new TrainingRun(
            trainer, output, Identity(options, result, plan, sourceHash, teacherHash),
            new TrainingIntervals(result.GetValue(options.CheckpointEvery), result.GetValue(options.ValidateEvery), 10))
        {
            Validation = data.Validation,
            OnValidation = (step, loss) => Console.Error.WriteLine($"step {step}: validation {Describe(loss, weights)}"),
        };
        var loss = run.Run(new ProgressOptions { Label = result.CommandResult.Command.Name, Unit = "steps" });
        if (data.Documents is BlendSource blend)
        {
            Console.Error.WriteLine($"data: {BlendTable.Line(blend.Uses)}");
        }

        ModelFolder.Save(
            output, student, SharedOptions.ParseDataType(result.GetValue(options.DataType)!), source,
            Provenance(sourceHash, teacherHash, layerMap, student), () => plan.WithModel?.Invoke(output));
        Console.WriteLine(result.GetValue(options.Json)
            ? FormattableString.Invariant($$"""{"model": {{System.Text.Json.JsonSerializer.Serialize(output)}}, "steps": {{trainer.Steps}}, "cross_entropy": {{loss.CrossEntropy}}, "divergence": {{loss.Divergence}}, "cosine": {{loss.Cosine}}}""")
            : $"{output}: {trainer.Steps} steps, {Describe(loss, weights)}");
        return 0;
    }

    // Read when the run begins, after the files were opened and found to be what they should be.
    private static IEnumerable<KeyValuePair<string, string>> FileIdentity(TrainOptions options, ParseResult result)
    {
        string[] text = result.GetValue(options.Text) ?? [];
        for (int i = 0; i < text.Length; i++)
        {
            yield return KeyValuePair.Create($"text {i}", ContentHash.OfFile(text[i]));
        }

        if (result.GetValue(options.Data) is { } blend)
        {
            yield return KeyValuePair.Create("data", BlendPlan.Of(blend).Hash());
        }
    }

    private static TrainingData LoadData(TrainOptions options, ParseResult result, TrainingContext context)
    {
        string[] text = result.GetValue(options.Text) ?? [];
        string? tasks = result.GetValue(options.Tasks);
        string? blend = result.GetValue(options.Data);
        if ((text.Length > 0 ? 1 : 0) + (tasks is null ? 0 : 1) + (blend is null ? 0 : 1) != 1)
        {
            throw new ArgumentException("give either --text FILE…, --data BLEND or --tasks all|NAMES to train on");
        }

        var configuration = context.Model.Configuration;
        if (blend is not null)
        {
            return TrainingData.FromBlend(BlendPlan.Of(blend), configuration, context.Tokenizer, context.Seed, context.Shape);
        }

        return tasks is not null
            ? TrainingData.FromTasks(configuration, context.Tokenizer, context.Seed, tasks, result.GetValue(options.Levels), context.Shape)
            : TrainingData.FromText(configuration, context.Tokenizer, context.Seed, TextFiles.ReadDocuments(text), context.Shape);
    }

    private static string Identity(
        TrainOptions options, ParseResult result, TrainingPlan plan, string sourceHash, string? teacherHash) => ContentHash.OfNamed(
        options.Identity(result).Concat(plan.Identity).Concat(
        [
            new("objective", string.Format(CultureInfo.InvariantCulture, "{0}", plan.Weights)),
            new("model", sourceHash),
            new("layer-map", plan.LayerMap is null ? "identity" : string.Join(',', plan.LayerMap)),
            new("teacher", teacherHash ?? "none"),
        ]));

    private static Dictionary<string, string> Provenance(string sourceHash, string? teacherHash, IReadOnlyList<int>? layerMap, Decoder student)
    {
        var provenance = new Dictionary<string, string> { ["tessera.trained_from"] = sourceHash };
        if (teacherHash is not null)
        {
            provenance["tessera.teacher"] = teacherHash;
            provenance["tessera.layer_map"] = string.Join(',', layerMap ?? [.. Enumerable.Range(0, student.Layers.Count)]);
        }

        return provenance;
    }

    private static string Describe(Training.Objectives.LossValues loss, ObjectiveWeights weights)
    {
        var parts = new List<string>();
        if (weights.CrossEntropy != 0)
        {
            parts.Add($"cross-entropy {loss.CrossEntropy:F4} nats/token");
        }

        if (weights.Divergence != 0)
        {
            parts.Add($"KL {loss.Divergence:F5} nats/token");
        }

        if (weights.Cosine != 0)
        {
            parts.Add($"1-cos {loss.Cosine:F5}");
        }

        return string.Join(", ", parts);
    }
}
