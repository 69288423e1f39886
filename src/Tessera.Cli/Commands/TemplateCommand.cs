using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Commands;

/// <summary><c>template</c>: conversations to prompts, as the template of a model or of a file says.</summary>
internal static class TemplateCommand
{
    public static Command Create()
    {
        var source = new Argument<string>("model") { Description = "A model folder with a chat template, or FILE.jinja." };
        var messages = new Option<string>("--messages")
        {
            Description = "A JSON list of messages, or an object with messages, tools, documents and further variables.",
        };
        var tools = new Option<string>("--tools") { Description = "A JSON list of tools in OpenAI's form." };
        var thinking = new Option<string>("--thinking")
        {
            Description = "Sets the system message 'detailed thinking on' or '… off', and enable_thinking.",
        };
        thinking.AcceptOnlyFromAmong("on", "off");
        var prompt = new Option<bool?>("--add-generation-prompt")
        {
            Description = "Whether the prompt ends with the beginning of the answer; true where neither this nor the file says.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var ids = new Option<bool>("--ids") { Description = "Print the token ids as well; special tokens in the text count as such, none is added." };
        var json = SharedOptions.Json();
        var input = new Option<string>("--input") { Description = "Batch: one object of template variables a line, passed as it is; now is the clock." };
        var output = new Option<string>("--output") { Description = "Batch: the file to write, one rendered JSON string or {\"error\": …} a line." };
        var command = new Command("template", "Conversations to prompts.")
        {
            source, messages, tools, thinking, prompt, ids, json, input, output,
        };
        command.SetAction(result =>
        {
            string? batch = result.GetValue(input);
            if (batch is null == result.GetValue(messages) is null)
            {
                throw new ArgumentException("give either --messages FILE or --input FILE with --output FILE");
            }

            if (batch is null != result.GetValue(output) is null)
            {
                throw new ArgumentException("--input and --output go together");
            }

            string path = ModelPath.Of(result.GetValue(source)!);
            ChatFormat format = Open(path);
            if (batch is not null)
            {
                Option[] single = [tools, thinking, prompt, ids, json];
                if (Array.Find(single, option => result.GetResult(option) is { Implicit: false }) is { } option)
                {
                    throw new ArgumentException($"{option.Name} has no meaning with --input");
                }

                TemplateBatch.Run(format, batch, result.GetValue(output)!);
                return;
            }

            var conversation = Conversation.Read(result.GetValue(messages)!, result.GetValue(tools));
            if (result.GetValue(thinking) is { } choice)
            {
                conversation = conversation.WithThinking(format.Template, choice == "on");
            }

            bool? asked = result.GetResult(prompt) is { Implicit: false } ? result.GetValue(prompt) ?? true : null;
            string text = format.Render(conversation.Messages, conversation.Options(asked));
            int[]? tokens = result.GetValue(ids) ? LoadTokenizer(path).Encode(text, addSpecialTokens: false) : null;
            Print(text, tokens, result.GetValue(json));
        });
        return command;
    }

    // A model's configuration names begin and end of text where its tokenizer's files do not, as for every other verb.
    private static ChatFormat Open(string path)
    {
        if (!Path.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such folder or file");
        }

        bool isModel = GgufModel.IsNamed(path) || File.Exists(Path.Combine(path, "config.json"));
        return (isModel ? ModelSource.Open(path).LoadChatFormat() : ChatFormat.Load(path))
            ?? throw new InvalidDataException($"{path}: no chat template there (chat_template.jinja or chat_template in tokenizer_config.json)");
    }

    private static void Print(string text, int[]? tokens, bool asJson)
    {
        if (asJson)
        {
            JsonOutput.Print(tokens is null ? new { prompt = text } : new { prompt = text, ids = tokens });
            return;
        }

        Console.Write(text);
        if (tokens is not null)
        {
            // The ids are the last line, whatever the prompt ends with.
            Console.WriteLine();
            Console.WriteLine(JsonOutput.Line(tokens));
        }
    }

    private static Tokenizer LoadTokenizer(string path)
    {
        string folder = Directory.Exists(path) || GgufModel.IsNamed(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        return ModelFolder.LoadTokenizer(folder) ?? throw new InvalidDataException($"{folder}: no tokenizer there, which --ids needs");
    }
}
