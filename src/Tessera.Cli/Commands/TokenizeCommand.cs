using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tokenize</c>: strings to ids and back, line by line, or a text file as it is.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var source = new Argument<string>("tokenizer")
        {
            Description = "A tokenizer.json, tokenizer.model, vocab.json or tokenizer.bin, perhaps gzipped, or a folder that holds one.",
        };
        var input = new Option<string?>("--input") { Description = "One JSON string a line; with --decode one JSON list of ids a line." };
        var text = new Option<string?>("--text") { Description = "A text file of any size in place of --input; its ids become one list." };
        var output = new Option<string>("--output") { Description = "File to write, a line for every line in.", Required = true };
        var decode = new Option<bool>("--decode") { Description = "Ids to strings; the text of control tokens is kept." };
        var special = new Option<bool>("--add-special") { Description = "Add the tokens of the tokenizer's template." };
        var threads = SharedOptions.Threads();
        var command = new Command("tokenize", "Strings to token ids, or back.") { source, input, text, output, decode, special, threads };
        command.SetAction(result =>
        {
            bool decodes = result.GetValue(decode), adds = result.GetValue(special);
            if (decodes && adds)
            {
                throw new ArgumentException("--add-special has no meaning with --decode; give one of them");
            }

            string? lines = result.GetValue(input), path = result.GetValue(text);
            if ((lines is null) == (path is null) || (decodes && path is not null))
            {
                throw new ArgumentException("give --input, or --text without --decode");
            }

            var tokenizer = TokenizerFiles.Load(result.GetValue(source)!);
            string target = result.GetValue(output)!;
            if (path is not null)
            {
                long tokens = 0;
                AtomicFile.Write(target, stream => tokens = TokenizeText.Run(tokenizer, path, adds, stream));
                Console.Error.WriteLine($"{target}: {tokens:N0} tokens");
                return;
            }

            var batch = new TokenizeBatch(tokenizer, lines!, adds, decodes, OptionChecks.Threads(result, threads));
            AtomicFile.Write(target, batch.Run);
            Console.Error.WriteLine($"{target}: {batch.Lines:N0} lines, {batch.Tokens:N0} tokens");
        });
        return command;
    }
}
