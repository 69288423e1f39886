using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>distill</c>: trains a model on a teacher's distributions and hidden states.</summary>
internal static class DistillCommand
{
    public static Command Create()
    {
        var options = new TrainOptions();
        var teacher = new Option<string>("--teacher") { Description = "Folder of the teacher, a .gguf file, or hf:org/name.", Required = true };
        var divergence = Weight("--kl", "Weight of KL(teacher ‖ student).", 1);
        var cosine = Weight("--cosine", "Weight of 1 - cos between hidden states along the layer map.", 1);
        var crossEntropy = Weight("--ce", "Weight of the cross-entropy on the data.", 0);
        var temperature = Weight("--temperature", "Of both distributions in the KL.", 1);
        var map = new Option<string?>("--layer-map")
        {
            Description = "Comma-separated teacher layer for every student layer, -1 for none; the identity by default.",
        };
        var command = new Command("distill", "Distil a teacher into a model.") { options.Model, teacher, divergence, cosine, crossEntropy, temperature, map };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            var weights = new ObjectiveWeights(
                OptionChecks.NotNegative(result, crossEntropy), OptionChecks.NotNegative(result, divergence), OptionChecks.NotNegative(result, cosine),
                (float)OptionChecks.NotNegative(result, temperature));
            if (!weights.NeedsTeacher || weights.Temperature <= 0)
            {
                throw new ArgumentException("distill needs --kl or --cosine above 0, and --temperature above 0");
            }

            return TrainCommand.Run(options, result, TrainCommand.PlainData(options, result, weights) with
            {
                Teacher = ModelPath.Of(result.GetValue(teacher)!),
                LayerMap = ParseMap(result.GetValue(map)),
            });
        });
        return command;
    }

    private static int[]? ParseMap(string? text) => text?.Split(',').Select(
        part => int.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int layer)
            ? layer
            : throw new ArgumentException($"--layer-map: '{part}' is not a layer")).ToArray();

    private static Option<double> Weight(string name, string description, double fallback) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };
}
