using System.CommandLine;
using System.Text;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Evaluation;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>perplexity</c>: how well a model predicts text.</summary>
internal static class PerplexityCommand
{
    private const string Convention =
        "How well a model predicts text. Each document begins with the tokens that the tokenizer's template puts in front of it "
        + "(where it has none, with bos_token_id); these are given, every other token is predicted once. Tokens that the template "
        + "puts behind a text are left out.";

    public static Command Create()
    {
        var options = new Options();
        var command = new Command("perplexity", Convention) { options.Model };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static void Run(Options options, ParseResult result)
    {
        string[] texts = result.GetValue(options.Text) ?? [];
        string? idFile = result.GetValue(options.Ids);
        if (texts.Length > 0 == idFile is not null)
        {
            throw new ArgumentException("give either --text FILE… or --ids FILE to score");
        }

        var source = ModelSource.Open(result.GetValue(options.Model)!);
        var (window, stride) = Windows(options, result, source.Configuration.MaxPositions);
        int threads = OptionChecks.Threads(result, options.Threads);
        var documents = idFile is null
            ? FromText(source, texts)
            : [.. TokenLists.Read(idFile, source.Configuration.VocabularySize).Select(ids => new ScoredText(ids, 0, 0))];
        if (documents.TrueForAll(document => document.Ids.Length < 2))
        {
            throw new InvalidDataException($"{idFile ?? texts[0]}: no document has a token to predict");
        }

        var storage = SharedOptions.ParseDataType(result.GetValue(options.DataType)!);
        using var device = SharedOptions.OpenServing(result.GetValue(options.Device)!, threads, storage);
        using var model = source.Load(storage, device);
        using var scorer = new LikelihoodScorer(device, model, window, stride);
        using var progress = new ProgressReporter(
            Console.Error, new ProgressOptions { Label = "perplexity", Unit = "tokens", Total = documents.Sum(d => d.Ids.Length - 1L) });
        var scores = new List<DocumentLikelihood>();
        foreach (var score in scorer.Score(documents.Select(document => document.Ids)))
        {
            scores.Add(score);
            progress.Advance(score.Tokens);
        }

        progress.Dispose();
        Report(documents, scores, new Setting(source.Name, window, stride, result.GetValue(options.Documents)), result.GetValue(options.Json));
    }

    private static (int Window, int Stride) Windows(Options options, ParseResult result, int positions)
    {
        int window = result.GetResult(options.MaxLength) is null ? Math.Min(positions, Options.DefaultLength) : OptionChecks.AtLeast(result, options.MaxLength, 1);
        if (window > positions)
        {
            throw new ArgumentException($"--max-length {window}: the model takes at most {positions} tokens (max_position_embeddings)");
        }

        int stride = result.GetResult(options.Stride) is null ? window : OptionChecks.AtLeast(result, options.Stride, 1);
        return stride <= window
            ? (window, stride)
            : throw new ArgumentException($"--stride {stride}: expected at most --max-length {window}, or tokens would be left out");
    }

    private static List<ScoredText> FromText(ModelSource source, string[] paths)
    {
        var tokenizer = source.RequireTokenizer("--text");
        var documents = new List<ScoredText>();
        foreach (string text in TextFiles.ReadDocuments(paths))
        {
            int[] ids = source.Encode(tokenizer, text);
            if (ids.Length > 0)
            {
                documents.Add(new ScoredText(ids, Encoding.UTF8.GetByteCount(text), text.EnumerateRunes().Count()));
            }
        }

        return documents;
    }

    private static void Report(List<ScoredText> documents, List<DocumentLikelihood> scores, Setting setting, bool asJson)
    {
        var perToken = RatioEstimate.Of([.. scores.Select(score => (score.NegativeLogLikelihood, (double)score.Tokens))]);
        bool hasText = documents.Exists(document => document.Bytes > 0);
        RatioEstimate? perByte = hasText ? Over(documents, scores, document => document.Bytes * Math.Log(2)) : null;
        RatioEstimate? perCharacter = hasText ? Over(documents, scores, document => document.Characters) : null;
        if (asJson)
        {
            JsonOutput.Print(new
            {
                model = setting.Model,
                documents = documents.Count,
                tokens = scores.Sum(score => score.Tokens),
                bytes = hasText ? documents.Sum(document => document.Bytes) : (long?)null,
                characters = hasText ? documents.Sum(document => document.Characters) : (long?)null,
                max_length = setting.Window,
                stride = setting.Stride,
                nats = scores.Sum(score => score.NegativeLogLikelihood),
                nats_per_token = Interval(perToken),
                perplexity = Interval(perToken, Math.Exp),
                bits_per_byte = Interval(perByte),
                nats_per_character = Interval(perCharacter),
                per_document = setting.EachDocument
                    ? scores.Select(score => new
                    {
                        tokens = score.Tokens,
                        nats = score.NegativeLogLikelihood,
                        perplexity = Math.Exp(score.NegativeLogLikelihood / score.Tokens),
                    })
                    : null,
            });
            return;
        }

        Console.WriteLine($"documents           {documents.Count:N0}");
        Console.WriteLine($"predicted tokens    {scores.Sum(score => score.Tokens):N0} (windows of {setting.Window}, every {setting.Stride})");
        Console.WriteLine($"bits per byte       {Text(perByte)}");
        Console.WriteLine($"nats per character  {Text(perCharacter)}");
        Console.WriteLine($"nats per token      {Text(perToken)}");
        Console.WriteLine($"perplexity          {Text(perToken, Math.Exp)}");
        for (int i = 0; setting.EachDocument && i < scores.Count; i++)
        {
            Console.WriteLine($"document {i}: {scores[i].Tokens} tokens, {scores[i].NegativeLogLikelihood:G9} nats");
        }
    }

    private static RatioEstimate Over(List<ScoredText> documents, List<DocumentLikelihood> scores, Func<ScoredText, double> size) =>
        RatioEstimate.Of([.. scores.Zip(documents, (score, document) => (score.NegativeLogLikelihood, size(document)))]);

    private static object? Interval(RatioEstimate? estimate, Func<double, double>? scale = null)
    {
        scale ??= value => value;
        return estimate is not { } given
            ? null
            : new { value = scale(given.Value), low = given.Low is { } low ? scale(low) : (double?)null, high = given.High is { } high ? scale(high) : (double?)null };
    }

    private static string Text(RatioEstimate? estimate, Func<double, double>? scale = null)
    {
        scale ??= value => value;
        return estimate switch
        {
            null => "unknown: ids have no text",
            { HalfWidth: null } single => $"{scale(single.Value):F4} (one document: no interval)",
            { } given => $"{scale(given.Value):F4} (95 %: {scale(given.Low!.Value):F4} to {scale(given.High!.Value):F4})",
        };
    }

    private sealed record ScoredText(int[] Ids, long Bytes, long Characters);

    private sealed record Setting(string Model, int Window, int Stride, bool EachDocument);

    private sealed class Options
    {
        public const int DefaultLength = 2048;

        public Argument<string> Model { get; } = new("model") { Description = ModelSource.Description };

        public Option<string[]> Text { get; } = new("--text")
        {
            Description = "Text files: one document each, parts between <|endoftext|>, or .jsonl rows with a text field.",
            AllowMultipleArgumentsPerToken = true,
        };

        public Option<string?> Ids { get; } = new("--ids") { Description = "JSON lines of id lists, each a document that is scored as it is." };

        public Option<int> MaxLength { get; } = new("--max-length")
        {
            Description = $"Tokens that the model reads at once; longer documents are cut into windows (by default its positions, at most {DefaultLength}).",
        };

        public Option<int> Stride { get; } = new("--stride") { Description = "Tokens from one window to the next; less than --max-length gives context by overlap." };

        public Option<bool> Documents { get; } = new("--per-document") { Description = "Also the figures of every document." };

        public Option<string> DataType { get; } = SharedOptions.StorageType();

        public Option<string> Device { get; } = SharedOptions.Device();

        public Option<int> Threads { get; } = SharedOptions.Threads();

        public Option<bool> Json { get; } = SharedOptions.Json();

        public IEnumerable<Option> All => [Text, Ids, MaxLength, Stride, Documents, DataType, Device, Threads, Json];
    }
}
