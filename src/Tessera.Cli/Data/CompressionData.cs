using System.Globalization;
using Tessera.Cli.Data.Blends;
using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Inference;
using Tessera.Models;
using Tessera.Models.Tokenizers;
using Tessera.Puzzle.Compression;
using Tessera.Runs;
using Tessera.Tasks;
using Tessera.Training.Data;
using Tessera.Training.Data.Blends;

namespace Tessera.Cli.Data;

/// <summary>How much data of what kind a compression draws.</summary>
internal sealed record CompressionDataOptions
{
    /// <summary>Blend file or folder of token shards; null where text or tasks are used.</summary>
    public string? Blend { get; init; }

    /// <summary>File of token ids, or drawn ones; null where text or tasks are used.</summary>
    public string? Ids { get; init; }

    /// <summary>Text files; empty where tasks are used.</summary>
    public required IReadOnlyList<string> Text { get; init; }

    /// <summary>Task names or <c>all</c>; null where text is used.</summary>
    public required string? Tasks { get; init; }

    /// <summary>Levels, or null for all.</summary>
    public string? Levels { get; init; }

    /// <summary>Seed of the draws.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Tokens for channel scores and blockwise distillation.</summary>
    public required int CalibrationTokens { get; init; }

    /// <summary>Tokens for replace-one-block scores, and as many held out.</summary>
    public required int ScoringTokens { get; init; }

    /// <summary>Tokens of a batch.</summary>
    public required int BatchTokens { get; init; }

    /// <summary>Longest document.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Unseen problems for accuracy; 0 for none.</summary>
    public required int Problems { get; init; }

    /// <summary>Task whose answers are scored; null for none. The stage that scores them is named after it, so it is not in the hash.</summary>
    public string? AnswerTask { get; init; }

    /// <summary>What the healing draws beyond that; in no hash of this, as it has its own.</summary>
    public HealingDataOptions? Healing { get; init; }

    /// <summary>Hash of everything above but the answers' task and the healing's, with the contents of the files.</summary>
    public string Hash() => ContentHash.OfNamed(
        Text.Select((path, i) => KeyValuePair.Create($"text {i}", ContentHash.OfFile(path)))
            .Concat(Blend is null ? [] : [KeyValuePair.Create("data", BlendPlan.Of(Blend).Hash())])
            .Concat(Ids is null ? [] : [KeyValuePair.Create("ids", Ids == IdDocuments.Drawn ? Ids : ContentHash.OfFile(Ids))])
            .Append(KeyValuePair.Create("tasks", $"{Tasks}/{Levels}"))
            .Append(KeyValuePair.Create("sizes", FormattableString.Invariant(
                $"{Seed}/{CalibrationTokens}/{ScoringTokens}/{BatchTokens}/{MaxLength}/{Problems}"))));
}

/// <summary>
/// Draws the data of a compression. Calibration, scoring and held-out documents do not overlap; healing walks the whole training
/// part of a text, and other generated problems than calibration and scoring.
/// </summary>
internal static class CompressionData
{
    // Streams of generated problems, apart by seed; evaluation problems are apart by construction.
    private const ulong CalibrationStream = 1_000_000;
    private const ulong ScoringStream = 2_000_000;
    private const ulong HealingStream = 3_000_000;
    private const ulong AnswerStream = 4_000_000;

    /// <summary>Loads the parent and draws the data.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="folder">The parent, as <see cref="ModelSource"/> names models.</param>
    /// <param name="options">The data.</param>
    /// <param name="type">How the parent's matrices are stored in memory.</param>
    public static CompressionInputs Load(Device device, string folder, CompressionDataOptions options, DType type = DType.F32)
    {
        var source = ModelSource.Open(folder);
        if (source.IsRandom && options.Ids is null)
        {
            throw new ArgumentException($"{folder}: random weights know no text: give --ids FILE or --ids {IdDocuments.Drawn} to calibrate on");
        }

        // Ids need no tokenizer, which is null only with them.
        var tokenizer = options.Ids is null ? source.RequireTokenizer("calibration") : null!;
        if ((options.Text.Count > 0 ? 1 : 0) + (options.Tasks is null ? 0 : 1) + (options.Blend is null ? 0 : 1) + (options.Ids is null ? 0 : 1) != 1)
        {
            throw new ArgumentException("give either --text FILE…, --data BLEND, --tasks all|NAMES or --ids FILE to calibrate on");
        }

        var parent = source.IsRandom
            ? ParentModel.Draw(source.Configuration, ModelSource.RandomSeed, device, type)
            : ParentModel.Open(folder, device, type);
        try
        {
            var (calibration, scoring, heldOut, healing) = options switch
            {
                { Ids: { } ids } => FromIds(ids, parent, options),
                { Blend: { } blend } => FromBlend(blend, parent, tokenizer, options),
                { Tasks: null } => Draw(FromText(parent, tokenizer, options), options),
                _ => Draw(FromTasks(parent, tokenizer, options), options),
            };
            return new CompressionInputs
            {
                Parent = parent,
                ParentFolder = folder,
                ParentHash = source.IsRandom ? ModelHash.OfDrawn(source.Configuration, ModelSource.RandomSeed) : ModelHash.Of(folder),
                DataHash = options.Hash(),
                Calibration = calibration,
                Scoring = scoring,
                HeldOut = heldOut,
                Answers = options.AnswerTask is { } task ? Answers(task, parent, tokenizer, options) : [],
                Documents = healing,
                Accuracy = options.Tasks is null || options.Problems == 0
                    ? null
                    : model => Score(device, model, tokenizer, source, options),
                Healing = options.Healing is null
                    ? new HealingData()
                    : new HealingSources(parent, tokenizer, options, options.Healing).ToData(
                        HealingStream, (model, count) => Score(device, model, tokenizer, source, options with { Problems = count })),
            };
        }
        catch
        {
            parent.Dispose();
            throw;
        }
    }

    /// <summary>Loads the parent alone, for what needs no data.</summary>
    public static CompressionInputs LoadWithoutData(Device device, string folder) => new()
    {
        Parent = ParentModel.Open(folder, device),
        ParentFolder = folder,
        ParentHash = ModelHash.Of(folder),
        DataHash = "none",
        Calibration = [],
        Scoring = [],
        HeldOut = [],
    };

    private static AccuracyResult Score(
        Device device, Decoder model, Tokenizer tokenizer, ModelSource source, CompressionDataOptions options)
    {
        var problems = Source(ProblemSplit.Evaluation, options.Seed, options).Stream().Take(options.Problems).ToList();
        using var generator = new Generator(device, model, EngineSettings.Throughput with { CacheType = model.Embedding.Type });
        return TaskAccuracy.Measure(
            generator, tokenizer, source.BeginIds(tokenizer), source.StopIds(), problems);
    }

    private static Streams FromTasks(ParentModel parent, Tokenizer tokenizer, CompressionDataOptions options)
    {
        DocumentRange Documents(ProblemSplit split, ulong seed) =>
            new(new TaskDocuments(tokenizer, Source(split, seed, options), parent.Configuration), long.MaxValue);
        return new Streams(
            Documents(ProblemSplit.Training, options.Seed + CalibrationStream),
            Documents(ProblemSplit.Training, options.Seed + ScoringStream),
            Documents(ProblemSplit.Evaluation, options.Seed + ScoringStream),
            Documents(ProblemSplit.Training, options.Seed + HealingStream).Source);
    }

    /// <summary>Problems of the training split, as many tokens as are scored: the evaluation's are never looked at to choose blocks.</summary>
    private static List<PackedBatch> Answers(string task, ParentModel parent, Tokenizer tokenizer, CompressionDataOptions options)
    {
        var problems = Commands.TasksCommand.Source(ProblemSplit.Training, options.Seed + AnswerStream, task, options.Levels);
        var packer = new BatchPacker(new AnswerDocuments(tokenizer, problems, parent.Configuration), options.BatchTokens, options.MaxLength);
        return TaskDocuments.Checked(packer.Take(options.ScoringTokens), options.MaxLength);
    }

    private static Streams FromText(ParentModel parent, Tokenizer tokenizer, CompressionDataOptions options)
    {
        var split = TextSplit.Of(TextFiles.ReadDocuments(options.Text));
        TextSource Source(IReadOnlyList<string> texts, ulong seed) =>
            new(tokenizer, texts, parent.Configuration.BosTokenId, options.MaxLength, seed);
        // Calibration takes the first two thirds of a shuffled pass, scoring the last third from its end: they never meet.
        var training = Source(split.Training, options.Seed);
        var heldOut = Source(split.HeldOut, options.Seed);
        int forScoring = training.Count / 3;
        return new Streams(
            new DocumentRange(training, training.Count - forScoring), new DocumentRange(new Reversed(training), forScoring),
            new DocumentRange(heldOut, heldOut.Count), Source(split.Training, options.Seed + HealingStream));
    }

    /// <summary>Calibration, scoring and held-out documents follow each other; healing begins anew, with other ids where they are drawn.</summary>
    private static Drawn FromIds(string path, ParentModel parent, CompressionDataOptions options)
    {
        var source = IdDocuments.Open(path, parent.Configuration.VocabularySize, options.MaxLength, options.Seed);
        var packer = new BatchPacker(source, options.BatchTokens, options.MaxLength) { EndDocument = source.Count };
        var sets = new[] { options.CalibrationTokens, options.ScoringTokens, options.ScoringTokens }.Select(tokens => packer.Take(tokens)).ToList();
        return sets.TrueForAll(set => set.Count > 0)
            ? new Drawn(sets[0], sets[1], sets[2], source.WithSeed(options.Seed + HealingStream))
            : throw new InvalidDataException(
                $"{path}: {source.Count} documents of at most {options.MaxLength} ids are too few for calibration, scoring and held-out batches");
    }

    /// <summary>Scoring goes on where calibration ended; healing deals the same sources in another order.</summary>
    private static Drawn FromBlend(string path, ParentModel parent, Tokenizer tokenizer, CompressionDataOptions options)
    {
        // Healing reads the mapped files until the process ends.
        var open = new OpenBlend(BlendPlan.Of(path), parent.Configuration, tokenizer, options.MaxLength);
        try
        {
            var blend = open.Training(options.Seed);
            var packer = new BatchPacker(blend, options.BatchTokens, options.MaxLength);
            var calibration = packer.Take(options.CalibrationTokens);
            var scoring = packer.Take(options.ScoringTokens);
            if (blend.Uses.FirstOrDefault(use => use.Epochs > 1) is { } small)
            {
                throw new InvalidDataException(
                    $"{path}: source '{small.Name}' has too few documents: {small.Documents} are needed, and calibration and scoring would overlap");
            }

            var heldOut = open.HeldOut(options.BatchTokens, options.ScoringTokens);
            return new Drawn(calibration, scoring, heldOut, open.Training(options.Seed + HealingStream));
        }
        catch
        {
            open.Dispose();
            throw;
        }
    }

    private static Drawn Draw(Streams streams, CompressionDataOptions options) => new(
        Take("calibration", streams.Calibration, options, options.CalibrationTokens),
        Take("scoring", streams.Scoring, options, options.ScoringTokens),
        Take("held-out", streams.HeldOut, options, options.ScoringTokens), streams.Healing);

    private static ProblemSource Source(ProblemSplit split, ulong seed, CompressionDataOptions options) =>
        Commands.TasksCommand.Source(split, seed, options.Tasks, options.Levels);

    /// <summary>Batches of at least so many tokens, or of all there are; a text too short for that is reported.</summary>
    private static List<PackedBatch> Take(string what, DocumentRange range, CompressionDataOptions options, int tokens)
    {
        var packer = new BatchPacker(range.Source, options.BatchTokens, options.MaxLength) { EndDocument = range.Count };
        var batches = packer.Take(tokens);
        int found = batches.Sum(batch => batch.Ids.Length);
        if (found == 0)
        {
            throw new InvalidDataException($"the text is too short: nothing is left for {what}");
        }

        if (found < tokens)
        {
            Console.Error.WriteLine($"tessera: the text has {found} tokens for {what}, fewer than the {tokens} asked for");
        }

        return options.Tasks is null ? batches : TaskDocuments.Checked(batches, options.MaxLength);
    }

    private sealed record Streams(
        DocumentRange Calibration, DocumentRange Scoring, DocumentRange HeldOut, IDocumentSource Healing);

    private sealed record Drawn(List<PackedBatch> Calibration, List<PackedBatch> Scoring, List<PackedBatch> HeldOut, IDocumentSource Healing);

    /// <summary>The first documents of a source.</summary>
    private sealed record DocumentRange(IDocumentSource Source, long Count);

    /// <summary>A text source read from the end of its first pass.</summary>
    private sealed class Reversed(TextSource source) : IDocumentSource
    {
        public TokenDocument Get(long index) => source.Get(source.Count - 1 - (index % source.Count));
    }
}
