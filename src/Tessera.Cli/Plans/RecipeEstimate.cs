using System.CommandLine;
using Tessera.Cli.Commands;
using Tessera.Cli.Data;
using Tessera.Cli.Recipes;
using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Models.Hub;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Planning;
using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Plans;

/// <summary>What a stage of a recipe will take: its parts, or why that is not known.</summary>
/// <param name="Stage">The stage's name.</param>
/// <param name="Verb">Its verb.</param>
/// <param name="Parts">Its parts; none where nothing is known.</param>
/// <param name="Unknown">Why nothing is known, or null.</param>
internal sealed record EstimatedStage(string Stage, string Verb, IReadOnlyList<StageEstimate> Parts, string? Unknown);

/// <summary>
/// Estimates the stages of a recipe in order. The model that an earlier stage will make has the shape of the model that this stage starts
/// from, and a child as many weights as its targets allow: no child is larger than its parent.
/// </summary>
/// <param name="plan">The recipe.</param>
/// <param name="device">The machine at hand, or null where another one is planned for.</param>
/// <param name="hardware">The machine that is planned for.</param>
internal sealed class RecipeEstimate(RecipePlan plan, Device? device, Hardware hardware)
{
    private readonly Dictionary<string, ModelConfiguration> _made = new(StringComparer.Ordinal);

    public IReadOnlyList<EstimatedStage> Stages() => [.. plan.Stages.Select(Estimate)];

    private EstimatedStage Estimate(PlannedStage stage)
    {
        try
        {
            var (model, parts) = Parts(stage);
            if (model is not null)
            {
                _made[plan.FolderOf(stage)] = model;
            }

            return new EstimatedStage(stage.Name, stage.Verb, parts, parts.Count == 0 ? "not estimated" : null);
        }
        catch (UnknownShapeException unknown)
        {
            return new EstimatedStage(stage.Name, stage.Verb, [], unknown.Message);
        }
    }

    private (ModelConfiguration? Model, IReadOnlyList<StageEstimate> Parts) Parts(PlannedStage stage)
    {
        if (stage.Verb == "compress")
        {
            var verb = new CompressEstimate();
            var words = verb.Command.Parse(stage.CommandLine[1..]);
            var parent = ShapeOf(verb.Model(words));
            return (verb.Child(words, parent), verb.Stages(words, parent, device, hardware));
        }

        var result = Cli.Root().Parse(stage.CommandLine);
        return stage.Verb switch
        {
            "train" or "sft" or "distill" => Train(stage, result),
            "rl" => Reinforce(stage, result),
            "eval" => (null, Evaluate(stage, result)),
            "fuse" or "export" or "reward" or "prefer" => (ShapeOf(result.GetValue<string>("model")!), []),
            "init" => (ModelSource.Open(result.GetValue<string>("config")!).Configuration, []),
            _ => (null, []),
        };
    }

    private (ModelConfiguration Model, IReadOnlyList<StageEstimate> Parts) Train(PlannedStage stage, ParseResult result)
    {
        var model = ShapeOf(result.GetValue<string>("model")!);
        var teacher = stage.Verb == "distill" ? ShapeOf(result.GetValue<string>("--teacher")!) : null;
        var weights = teacher is null ? ObjectiveWeights.LanguageModelling : new ObjectiveWeights(0, 1, 1);
        var settings = Settings(
            result, result.GetValue<int>("--steps"), result.GetValue<int>("--accumulate"), result.GetValue<int>("--max-length"));
        var parts = new TrainingEstimate(hardware, Precision(result)).Train(stage.Verb, model, settings, weights, teacher);
        return (model, [parts]);
    }

    private (ModelConfiguration Model, IReadOnlyList<StageEstimate> Parts) Reinforce(PlannedStage stage, ParseResult result)
    {
        var model = ShapeOf(result.GetValue<string>("model")!);
        int tokens = result.GetValue<int>("--max-new-tokens"), rollouts = result.GetValue<int>("--steps");
        int responses = result.GetValue<int>("--prompts") * result.GetValue<int>("--samples");
        var estimate = new TrainingEstimate(hardware, Precision(result)).Reinforce(
            stage.Verb, model, Settings(result, rollouts, 1, tokens), rollouts, responses, tokens, result.GetValue<int>("--max-running"),
            result.GetValue<double>("--kl") > 0);
        return (model, [estimate]);
    }

    private IReadOnlyList<StageEstimate> Evaluate(PlannedStage stage, ParseResult result)
    {
        int answers = result.GetValue<int>("--count") * result.GetValue<int>("--samples") * (result.GetValue<string>("--thinking") == "both" ? 2 : 1);
        var estimate = new TrainingEstimate(hardware, hardware.IsCard ? DType.BF16 : DType.F32);
        return [.. result.GetValue<string[]>("model")!.Select(model => estimate.Evaluate(stage.Verb, ShapeOf(model), answers, result.GetValue<int>("--max-new-tokens")))];
    }

    private static TrainingSettings Settings(ParseResult result, int steps, int accumulation, int maxLength)
    {
        int batchTokens = result.GetValue<int>("--batch-tokens");
        return new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1, 1, 0, steps),
            Accumulation = accumulation,
            BatchTokens = batchTokens,
            MaxLength = Math.Min(maxLength, batchTokens),
            Recompute = SharedOptions.ParseRecompute(result.GetValue<string>("--recompute")!),
        };
    }

    private static DType Precision(ParseResult result) => result.GetValue<string>("--precision") == "f32" ? DType.F32 : DType.BF16;

    /// <summary>The shape of a model by what a stage calls it: one that an earlier stage makes, one on a hub, or one that is here.</summary>
    private ModelConfiguration ShapeOf(string model)
    {
        string path = Path.TrimEndingDirectorySeparator(model);
        foreach (var (folder, shape) in _made)
        {
            if (path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal))
            {
                return shape;
            }
        }

        return PlannedModel.Shape(model);
    }
}
