using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Commands;

/// <summary><c>generate</c>: continues a text, or lists of ids.</summary>
internal static class GenerateCommand
{
    private const int MostPromptsAtOnce = 64;
    private const int MostTokensAtOnce = 16_384;

    // Draws depend on the place within a group of prompts, so every group has a seed of its own.
    private const ulong SeedStep = 0x9E37_79B9_7F4A_7C15;

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
        if (prompt is null == idFile is null)
        {
            throw new ArgumentException("give either --prompt TEXT or --ids FILE to continue");
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
            : stops.Length > 0 ? source.RequireTokenizer("--stop") : source.LoadTokenizer();
        var prompts = prompt is not null
            ? [PromptIds(source, tokenizer!, prompt)]
            : TokenLists.Read(idFile!, source.Configuration.VocabularySize);
        RequireRoom(prompts, idFile ?? "--prompt", source.Configuration.MaxPositions);
        bool streams = prompt is not null && !result.GetValue(options.Json);
        var type = SharedOptions.ParseDataType(result.GetValue(options.DataType)!);
        using var device = Tessera.Devices.Device.Open(result.GetValue(options.Device)!, threads);
        using var model = source.Load(type);
        using var generator = new Generator(device, model, type);
        var watch = Stopwatch.StartNew();
        var outputs = new List<Continuation>();
        foreach (int[][] group in Groups(prompts))
        {
            var seeded = settings with { Seed = unchecked(settings.Seed + ((ulong)outputs.Count * SeedStep)) };
            outputs.AddRange(Continue(generator, tokenizer, group, seeded, stops, streams));
        }

        Report(outputs, prompts, watch.Elapsed, idFile is not null, result.GetValue(options.Json));
    }

    private static int[] PromptIds(ModelSource source, Tokenizer tokenizer, string prompt)
    {
        int[] ids = source.Encode(tokenizer, prompt);
        return ids.Length > 0 ? ids : throw new ArgumentException("--prompt: the text is empty and the model has no begin token");
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

    /// <summary>Consecutive prompts, as many as fit one step.</summary>
    private static IEnumerable<int[][]> Groups(List<int[]> prompts)
    {
        var group = new List<int[]>();
        long tokens = 0;
        foreach (int[] prompt in prompts)
        {
            if (group.Count == MostPromptsAtOnce || (group.Count > 0 && tokens + prompt.Length > MostTokensAtOnce))
            {
                yield return [.. group];
                group.Clear();
                tokens = 0;
            }

            group.Add(prompt);
            tokens += prompt.Length;
        }

        yield return [.. group];
    }

    private static IEnumerable<Continuation> Continue(
        Generator generator, Tokenizer? tokenizer, int[][] prompts, GenerationSettings settings, string[] stops, bool streams)
    {
        var texts = tokenizer is null ? null : prompts.Select(prompt => new ContinuationText(tokenizer, prompt, stops)).ToArray();
        var sequences = generator.Generate(prompts, settings, OnToken, slot => texts is not null && texts[slot].IsStopped);
        for (int i = 0; i < sequences.Count; i++)
        {
            string? rest = texts?[i].End();
            if (streams)
            {
                Console.WriteLine(rest);
            }

            yield return new Continuation(sequences[i], texts?[i].Text);
        }

        void OnToken(int slot, int id)
        {
            string? text = texts?[slot].Append(id);
            if (streams && !string.IsNullOrEmpty(text))
            {
                Console.Write(text);
                Console.Out.Flush();
            }
        }
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
                    finish_reason = output.Sequence.Reason == FinishReason.Stop ? "stop" : "length",
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
}
