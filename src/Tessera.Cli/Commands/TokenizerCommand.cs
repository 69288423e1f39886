using System.CommandLine;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Commands;

/// <summary><c>tokenizer train</c>: a small byte-level vocabulary of our own.</summary>
internal static class TokenizerCommand
{
    public static Command Create() => new("tokenizer", "Work on vocabularies.") { TrainCommandOf() };

    private static Command TrainCommandOf()
    {
        var text = new Option<string[]>("--text") { Description = "Text files.", AllowMultipleArgumentsPerToken = true };
        var problems = new Option<int>("--problems") { Description = "Also this many generated problems.", DefaultValueFactory = _ => 0 };
        var size = new Option<int>("--vocab-size") { Description = "Tokens in all.", DefaultValueFactory = _ => 512 };
        var special = new Option<string[]>("--special")
        {
            Description = "Special tokens, first ids first.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["<pad>", "<s>", "</s>"],
        };
        var digits = new Option<bool>("--split-digits") { Description = "Make every digit a token of its own." };
        var seed = SharedOptions.Seed();
        var output = new Option<string>("--out") { Description = "Folder for tokenizer.json.", Required = true };
        var command = new Command("train", "Train a byte-level BPE vocabulary.") { text, problems, size, special, digits, seed, output };
        command.SetAction(result =>
        {
            var texts = (result.GetValue(text) ?? []).Select(Data.TextFiles.ReadStrict)
                .Concat(TasksCommand.Source(Tasks.ProblemSplit.Training, result.GetValue(seed), null, null)
                    .Stream().Take(result.GetValue(problems)).Select(problem => problem.ToText()))
                .ToList();
            if (texts.Count == 0)
            {
                throw new ArgumentException("give --text FILE or --problems N to train on");
            }

            string folder = result.GetValue(output)!;
            Directory.CreateDirectory(folder);
            string path = Path.Combine(folder, "tokenizer.json");
            int tokens = TokenizerTrainer.Train(texts, path, new TokenizerTrainerOptions
            {
                VocabularySize = result.GetValue(size),
                SpecialTokens = result.GetValue(special)!,
                SplitDigits = result.GetValue(digits),
            });
            Console.WriteLine($"{path}: {tokens} tokens");
        });
        return command;
    }
}
