using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tokenizers;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tokenize</c>: strings to ids and back, line by line.</summary>
internal static class TokenizeCommand
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var source = new Argument<string>("tokenizer") { Description = "A tokenizer.json, or a folder that holds one." };
        var input = new Option<string>("--input") { Description = "One JSON string a line; with --decode one JSON list of ids a line.", Required = true };
        var output = new Option<string>("--output") { Description = "File to write, a line for every line in.", Required = true };
        var decode = new Option<bool>("--decode") { Description = "Ids to strings; the text of control tokens is kept." };
        var special = new Option<bool>("--add-special") { Description = "Add the tokens of the tokenizer's template." };
        var command = new Command("tokenize", "Strings to token ids, or back.") { source, input, output, decode, special };
        command.SetAction(result =>
        {
            if (result.GetValue(decode) && result.GetValue(special))
            {
                throw new ArgumentException("--add-special has no meaning with --decode; give one of them");
            }

            string path = ModelPath.Of(result.GetValue(source)!);
            string file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
            var tokenizer = File.Exists(file)
                ? ModelFolder.LoadTokenizer(file) ?? throw new InvalidDataException($"{file}: no tokenizer in it")
                : throw new InvalidDataException($"{file}: no such file");
            var work = new Work(tokenizer, result.GetValue(input)!, result.GetValue(special));
            AtomicFile.Write(result.GetValue(output)!, stream => work.Run(stream, result.GetValue(decode)));
            Console.Error.WriteLine($"{result.GetValue(output)}: {work.Lines:N0} lines, {work.Tokens:N0} tokens");
        });
        return command;
    }

    private sealed class Work(Tokenizer tokenizer, string input, bool addSpecial)
    {
        private readonly List<int> _ids = [];

        public long Lines { get; private set; }

        public long Tokens { get; private set; }

        private string Where => $"{input}: line {Lines}";

        public void Run(Stream target, bool decode)
        {
            using var json = new Utf8JsonWriter(target, Relaxed);
            foreach (var line in LineReader.Read(input))
            {
                Lines++;
                using var document = Parse(line);
                if (decode)
                {
                    ReadIds(document.RootElement);
                    json.WriteStringValue(tokenizer.Decode([.. _ids], skipSpecialTokens: false));
                }
                else
                {
                    WriteIds(json, ReadString(document.RootElement));
                }

                Tokens += _ids.Count;
                json.Flush();
                json.Reset();
                target.WriteByte((byte)'\n');
            }
        }

        private JsonDocument Parse(ReadOnlyMemory<byte> line)
        {
            try
            {
                return JsonDocument.Parse(line);
            }
            catch (JsonException)
            {
                throw new InvalidDataException($"{Where} is not JSON");
            }
        }

        private string ReadString(JsonElement element)
        {
            if (element.ValueKind != JsonValueKind.String)
            {
                throw new InvalidDataException($"{Where} is not a JSON string");
            }

            try
            {
                return element.GetString()!;
            }
            catch (InvalidOperationException)
            {
                throw new InvalidDataException($"{Where} is a string that is not valid Unicode");
            }
        }

        private void WriteIds(Utf8JsonWriter json, string text)
        {
            _ids.Clear();
            tokenizer.Encode(text, _ids, addSpecial);
            json.WriteStartArray();
            foreach (int id in _ids)
            {
                json.WriteNumberValue(id);
            }

            json.WriteEndArray();
        }

        private void ReadIds(JsonElement element)
        {
            if (element.ValueKind != JsonValueKind.Array)
            {
                throw new InvalidDataException($"{Where} is not a JSON list of ids");
            }

            _ids.Clear();
            foreach (var item in element.EnumerateArray())
            {
                bool known = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0 && id < tokenizer.VocabularySize;
                _ids.Add(known
                    ? item.GetInt32()
                    : throw new InvalidDataException($"{Where}, element {_ids.Count} is not an id from 0 to {tokenizer.VocabularySize - 1}"));
            }
        }
    }
}
