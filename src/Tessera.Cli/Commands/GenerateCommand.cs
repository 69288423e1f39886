using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Commands;

/// <summary><c>generate</c>: continues a text, or lists of ids.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var options = new GenerateOptions();
        var command = new Command("generate", "Continue a text, or lists of ids.") { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static void Run(GenerateOptions options, ParseResult result)
    {
        string? prompt = result.GetValue(options.Prompt);
        string? idFile = result.GetValue(options.Ids);
        string? messages = result.GetValue(options.Messages);
        if (((string?[])[prompt, idFile, messages]).Count(given => given is not null) != 1)
        {
            throw new ArgumentException("give one of --prompt TEXT, --messages FILE or --ids FILE to continue");
        }

        string[] stops = result.GetValue(options.Stop) ?? [];
        if (stops.Contains(string.Empty))
        {
            throw new ArgumentException("--stop: a stop text is empty");
        }

        int threads = OptionChecks.Threads(result, options.Threads);
        var source = ModelSource.Open(result.GetValue(options.Model)!);
        var settings = options.ToSettings(result, source.StopIds());
        var tokenizer = prompt is not null ? source.RequireTokenizer("--prompt")
            : messages is not null ? source.RequireTokenizer("--messages")
            : stops.Length > 0 ? source.RequireTokenizer("--stop") : source.LoadTokenizer();
        var prompts = prompt is not null
            ? [PromptIds(source, tokenizer!, prompt)]
            : messages is not null ? [ConversationIds(source, tokenizer!, messages, result.GetValue(options.Thinking))]
            : TokenLists.Read(idFile!, source.Configuration.VocabularySize);
        RequireRoom(prompts, idFile ?? messages ?? "--prompt", source.Configuration.MaxPositions);
        bool streams = idFile is null && !result.GetValue(options.Json);
        var type = SharedOptions.ParseDataType(result.GetValue(options.DataType)!);
        using var device = SharedOptions.OpenServing(result.GetValue(options.Device)!, threads, type);
        using var model = source.Load(type, device);
        using var generator = new Generator(device, model, new EngineSettings
        {
            CacheType = SharedOptions.CacheType(type),
            Eager = result.GetValue(options.Eager),
        });
        var watch = Stopwatch.StartNew();
        var outputs = Continue(generator, tokenizer, prompts, settings, stops, streams);
        Report(outputs, prompts, watch.Elapsed, idFile is not null, result.GetValue(options.Json));
    }

    private static int[] PromptIds(ModelSource source, Tokenizer tokenizer, string prompt)
    {
        int[] ids = source.Encode(tokenizer, prompt);
        return ids.Length > 0 ? ids : throw new ArgumentException("--prompt: the text is empty and the model has no begin token");
    }

    /// <summary>The tags of reasoning, where they are control tokens: they belong to what is read.</summary>
    private static HashSet<int> Tags(Tokenizer tokenizer) =>
        [.. ((string[])[ReasoningSplitter.OpenTag, ReasoningSplitter.CloseTag]).Select(tokenizer.TokenId).OfType<int>()];

    private static int[] ConversationIds(ModelSource source, Tokenizer tokenizer, string file, string? thinking)
    {
        var format = source.RequireChatFormat("--messages");
        var conversation = Conversation.Read(file, null);
        if (thinking is not null)
        {
            conversation = conversation.WithThinking(format.Template, thinking == "on");
        }

        string text = format.Render(conversation.Messages, conversation.Options(null));
        return tokenizer.Encode(text, addSpecialTokens: false) is { Length: > 0 } ids
            ? ids
            : throw new InvalidDataException($"{file}: the template makes an empty prompt of it");
    }

    private static void RequireRoom(List<int[]> prompts, string name, int positions)
    {
        int bad = prompts.FindIndex(prompt => prompt.Length > positions);
        if (bad >= 0)
        {
            throw new InvalidDataException(
                $"{name}: prompt {bad + 1} has {prompts[bad].Length} tokens, the model takes at most {positions} (max_position_embeddings)");
        }
    }

    private static List<Continuation> Continue(
        Generator generator, Tokenizer? tokenizer, List<int[]> prompts, GenerationSettings settings, string[] stops, bool streams)
    {
        var texts = tokenizer is null ? null : prompts.Select(prompt => new ContinuationText(tokenizer, prompt, stops, Tags(tokenizer))).ToArray();
        var sequences = generator.Generate([.. prompts.Select((prompt, i) => new GenerationRequest(
            prompt, settings with { Seed = GenerationSettings.SequenceSeed(settings.Seed, (ulong)i) },
            texts is null ? null : new TextGuide(texts[i], streams)))]);
        var outputs = new List<Continuation>();
        for (int i = 0; i < sequences.Count; i++)
        {
            string? rest = texts?[i].End();
            if (streams)
            {
                Console.WriteLine(rest);
            }

            outputs.Add(new Continuation(sequences[i], texts?[i].Text));
        }

        return outputs;
    }

    private static void Report(List<Continuation> outputs, List<int[]> prompts, TimeSpan time, bool showIds, bool asJson)
    {
        long tokens = outputs.Sum(output => (long)output.Sequence.Ids.Length);
        if (asJson)
        {
            JsonOutput.Print(new
            {
                sequences = outputs.Zip(prompts, (output, prompt) => new
                {
                    prompt_tokens = prompt.Length,
                    ids = output.Sequence.Ids,
                    text = output.Text,
                    finish_reason = output.Sequence.Reason == FinishReason.Length ? "length" : "stop",
                }),
                new_tokens = tokens,
                seconds = time.TotalSeconds,
            });
        }
        else if (showIds)
        {
            foreach (var output in outputs)
            {
                Console.WriteLine(JsonOutput.Line(output.Sequence.Ids));
            }
        }

        Console.Error.WriteLine(
            $"{outputs.Count} prompts, {prompts.Sum(prompt => (long)prompt.Length):N0} tokens in, {tokens:N0} out in {time.TotalSeconds:F2} s "
            + $"({tokens / Math.Max(time.TotalSeconds, 1e-9):F1} tokens/s, prompts included)");
    }

    private sealed record Continuation(GeneratedSequence Sequence, string? Text);

    /// <summary>Turns tokens into text as they come, and ends the sequence at a stop text.</summary>
    private sealed class TextGuide(ContinuationText text, bool streams) : SequenceGuide
    {
        public override GuideVerdict Observe(int token)
        {
            string certain = text.Append(token);
            if (streams && certain.Length > 0)
            {
                Console.Write(certain);
                Console.Out.Flush();
            }

            return new GuideVerdict(text.IsStopped);
        }
    }
}
