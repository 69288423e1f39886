using System.CommandLine;
using Tessera.Alignment.FineTuning;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Models.Templates;
using Tessera.Runs;
using Tessera.Tasks;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Cli.Commands;

/// <summary><c>sft</c>: supervised fine-tuning on conversations, with loss on the assistant's turns alone.</summary>
internal static class SftCommand
{
    private const ulong ValidationSeed = 0x5F7;

    public static Command Create()
    {
        var options = new TrainOptions();
        var rows = new Option<string[]>("--data") { Description = "JSON-lines files of rows with messages.", AllowMultipleArgumentsPerToken = true };
        var thinking = new Option<string>("--thinking") { Description = "Generated problems with reasoning on, off or both: every problem is put in each.", DefaultValueFactory = _ => "both" };
        var template = new Option<string?>("--template") { Description = "Chat template, for a model that has none or in place of its own; it is written beside the model." };
        var preview = new Option<int>("--preview") { Description = "Show so many conversations with what is learned marked, and stop." };
        thinking.AcceptOnlyFromAmong("on", "off", "both");
        var command = new Command("sft", "Fine-tune on conversations; only what the assistant writes is learned.") { options.Model, rows, thinking, template, preview };
        foreach (var option in options.WithoutText)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            string folder = result.GetValue(options.Model)!;
            string[] files = result.GetValue(rows) ?? [];
            if (files.Length > 0 == result.GetValue(options.Tasks) is not null)
            {
                throw new ArgumentException("give either --data FILE… or --tasks all|NAMES to fine-tune on");
            }

            string? templateFile = result.GetValue(template);
            var format = ModelSource.Open(folder).RequireChatFormat("sft", templateFile);
            var modes = SharedOptions.ParseThinking(result.GetValue(thinking)!);
            int shown = result.GetValue(preview);
            if (shown > 0)
            {
                return Preview(options, result, format, files, modes, shown);
            }

            var plan = new TrainingPlan
            {
                Weights = ObjectiveWeights.LanguageModelling,
                Data = context => Load(options, result, context, format, files, modes),
                Identity =
                [
                    .. files.Select((path, i) => KeyValuePair.Create($"rows {i}", ContentHash.OfFile(path))),
                    new("thinking", string.Join(',', modes)),
                    new("template", ContentHash.OfText(format.Template.Source)),
                ],
                WithModel = output =>
                {
                    if (templateFile is not null)
                    {
                        AtomicFile.WriteAllText(Path.Combine(output, ChatFormat.TemplateName), format.Template.Source);
                    }
                },
            };
            return TrainCommand.Run(options, result, plan);
        });
        return command;
    }

    private static TrainingData Load(
        TrainOptions options, ParseResult result, TrainingContext context, ChatFormat format, string[] files, ThinkingMode[] modes)
    {
        var encoder = new ChatEncoder(context.Tokenizer, format, context.Model.StopIds());
        var shape = context.Shape;
        if (files.Length == 0)
        {
            PairedConversations Source(ProblemSplit split, ulong seed) => new(
                encoder, TasksCommand.Source(split, seed, result.GetValue(options.Tasks), result.GetValue(options.Levels)), modes);
            var heldOut = new BatchPacker(Source(ProblemSplit.Evaluation, ValidationSeed), shape.BatchTokens, shape.MaxLength);
            return new TrainingData(
                Source(ProblemSplit.Training, context.Seed), TaskDocuments.Checked(heldOut.Take(shape.ValidationTokens), shape.MaxLength));
        }

        var (training, validation) = Split(files.SelectMany(ChatRow.Read).ToList(), shape.ValidationTokens > 0);
        var documents = new ChatDocuments(encoder, training, shape.MaxLength, context.Seed);
        Console.Error.WriteLine($"{documents.Count} conversations to learn from, {documents.TooLong} longer than {shape.MaxLength} tokens left out");
        if (validation.Count == 0)
        {
            return new TrainingData(documents, []);
        }

        var rest = new ChatDocuments(encoder, validation, shape.MaxLength, 0);
        return new TrainingData(
            documents, new BatchPacker(rest, shape.BatchTokens, shape.MaxLength) { EndDocument = rest.Count }.Take(shape.ValidationTokens));
    }

    /// <summary>Every twentieth conversation is held out, if there are twenty.</summary>
    private static (List<ChatRow> Training, List<ChatRow> Validation) Split(List<ChatRow> rows, bool validates)
    {
        bool holdsOut = validates && rows.Count >= 20;
        return ([.. rows.Where((_, i) => !holdsOut || i % 20 != 19)], [.. rows.Where((_, i) => holdsOut && i % 20 == 19)]);
    }

    private static int Preview(
        TrainOptions options, ParseResult result, ChatFormat format, string[] files, ThinkingMode[] modes, int count)
    {
        var source = ModelSource.Open(result.GetValue(options.Model)!);
        var tokenizer = source.RequireTokenizer("--preview");
        var encoder = new ChatEncoder(tokenizer, format, source.StopIds());
        var rows = files.Length > 0
            ? files.SelectMany(ChatRow.Read)
            : TasksCommand.Source(ProblemSplit.Training, result.GetValue(options.Seed), result.GetValue(options.Tasks), result.GetValue(options.Levels))
                .Stream().SelectMany(problem => modes.Select(mode => PairedConversations.Row(format.Template, problem, mode)));
        foreach (var row in rows.Take(count))
        {
            LearnedText.Print(tokenizer, encoder.Encode(row), row.Source);
        }

        return 0;
    }
}
