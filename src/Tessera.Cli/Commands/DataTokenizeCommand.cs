using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Data.Shards;
using Tessera.Cli.Output;
using Tessera.Runs;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Commands;

/// <summary><c>data tokenize</c>: text files into memory-mapped token shards.</summary>
internal static class DataTokenizeCommand
{
    public static Command Create()
    {
        var inputs = new Argument<string[]>("input")
        {
            Description = "Text files, .jsonl rows, either gzipped (.gz), or folders of them.",
            Arity = ArgumentArity.OneOrMore,
        };
        var tokenizer = new Option<string>("--tokenizer") { Description = "Model folder, .gguf file, hf:org/name or tokenizer file.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder for the shards.", Required = true };
        var field = new Option<string>("--field") { Description = "Field of .jsonl rows that is the text.", DefaultValueFactory = _ => TextFiles.TextField };
        var begin = Token("--begin", "in front of");
        var end = Token("--end", "behind");
        var size = new Option<string>("--shard-tokens") { Description = "Tokens with which a shard is full, such as 64M.", DefaultValueFactory = _ => "64M" };
        var share = new Option<double>("--validation-share") { Description = "Share of documents held out, chosen by their hashes.", DefaultValueFactory = _ => 0.01 };
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("tokenize", "Tokenise text into memory-mapped shards; goes on where it was stopped.")
        {
            inputs, tokenizer, output, field, begin, end, size, share, threads, json,
        };
        command.SetAction(result =>
        {
            var source = TokenizerFiles.Load(result.GetValue(tokenizer)!);
            var settings = new ShardSettings
            {
                Begin = DocumentEnds.Parse(source, begin.Name, result.GetValue(begin)!),
                End = DocumentEnds.Parse(source, end.Name, result.GetValue(end)!),
                ShardTokens = HumanUnits.ParseCount(result.GetValue(size)!, size.Name) is var tokens and > 0
                    ? tokens
                    : throw new ArgumentException($"{size.Name} {result.GetValue(size)}: expected at least 1"),
                ValidationShare = OptionChecks.Between(result, share, 0, 1),
                Threads = OptionChecks.Threads(result, threads),
            };
            string folder = result.GetValue(output)!;
            Run(result.GetValue(inputs)!, result.GetValue(field)!, source, settings, folder, result.GetValue(json));
        });
        return command;
    }

    private static void Run(
        string[] inputs, string field, Models.Tokenizers.Tokenizer tokenizer, ShardSettings settings, string folder, bool asJson)
    {
        var corpus = CorpusFiles.Of(inputs, field);
        if (corpus.LeftOut > 0)
        {
            Console.Error.WriteLine($"tessera: {corpus.LeftOut:N0} files with other endings are left out; name a file to have it read whatever its ending");
        }

        using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = "tokenize", Unit = "tokens" });
        var builder = new ShardBuilder(corpus, tokenizer, settings, corpus.Hash, folder)
        {
            OnProgress = (documents, bytes, tokens) => progress.Report(tokens, $"{documents:N0} documents, {HumanUnits.FormatBytes(bytes)}"),
        };
        var index = builder.Run();
        if (builder.WasComplete)
        {
            Console.Error.WriteLine($"{folder}: was complete already");
        }
        else if (builder.Resumed > 0)
        {
            Console.Error.WriteLine($"{folder}: {builder.Resumed} shards were there already");
        }

        if (index.Train.Count + index.Validation.Count == 0)
        {
            throw new InvalidDataException($"{inputs[0]}: there is no text in it{(inputs.Length > 1 ? ", nor in the other inputs" : "")}");
        }

        if (asJson)
        {
            JsonOutput.Print(ShardTable.ToJson(folder, index));
        }
        else
        {
            ShardTable.Print(folder, index);
        }
    }

    private static Option<string> Token(string name, string where) => new(name)
    {
        Description = $"Token put {where} every document: its text, its id, or none.",
        DefaultValueFactory = _ => "none",
    };
}
