using Tessera.Cli.Data.Blends;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Models.Tokenizers;
using Tessera.Puzzle.Compression;
using Tessera.Runs;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>What of the data only some healings need.</summary>
internal sealed record HealingDataOptions
{
    /// <summary>Most tokens of a step, and of a held-out batch of a length.</summary>
    public required int BatchTokens { get; init; }

    /// <summary>Unseen problems for accuracy on the way; 0 for none.</summary>
    public int Problems { get; init; }

    /// <summary>Blend file or folder of token shards of the continued pre-training; null for none.</summary>
    public string? Pretraining { get; init; }

    /// <summary>Its longest document.</summary>
    public int PretrainingLength { get; init; }

    /// <summary>Most tokens of its steps.</summary>
    public int PretrainingBatchTokens { get; init; }
}

/// <summary>Draws the documents of healing phases, held-out documents of a length, and what continued pre-training reads.</summary>
/// <param name="Parent">Parent.</param>
/// <param name="Tokenizer">Tokenizer.</param>
/// <param name="Options">What the compression draws.</param>
/// <param name="Healing">What the healing draws.</param>
internal sealed record HealingSources(ParentModel Parent, Tokenizer Tokenizer, CompressionDataOptions Options, HealingDataOptions Healing)
{
    private const ulong PretrainingStream = 4_000_000;

    /// <summary>The data; nothing is read before it is asked for, but pre-training's held-out documents.</summary>
    /// <param name="stream">Added to the seed for the healing's first phase; later phases count on.</param>
    /// <param name="accuracy">Accuracy of a model on so many unseen problems.</param>
    public HealingData ToData(ulong stream, Func<Decoder, int, AccuracyResult> accuracy) => new()
    {
        PhaseDocuments = (phase, length) => Documents(length, Options.Seed + stream + (ulong)phase),
        HeldOut = HeldOut,
        Accuracy = Options.Tasks is null || Healing.Problems == 0 ? null : model => accuracy(model, Healing.Problems),
        Pretraining = Healing.Pretraining is { } blend ? Pretraining(blend) : null,
    };

    private IDocumentSource Documents(int length, ulong seed)
    {
        if (Options.Blend is { } blend)
        {
            return new OpenBlend(BlendPlan.Of(blend), Parent.Configuration, Tokenizer, length).Training(seed);
        }

        return Options.Tasks is null
            ? new TextSource(Tokenizer, TextSplit.Of(TextFiles.ReadDocuments(Options.Text)).Training, Parent.Configuration.BosTokenId, length, seed)
            : new TaskDocuments(Tokenizer, Problems(Tasks.ProblemSplit.Training, seed), Parent.Configuration);
    }

    /// <summary>As many tokens as the compression holds out, in documents of up to a length.</summary>
    private List<PackedBatch> HeldOut(int length)
    {
        int batch = Math.Max(Healing.BatchTokens, length);
        if (Options.Blend is { } blend)
        {
            using var open = new OpenBlend(BlendPlan.Of(blend), Parent.Configuration, Tokenizer, length);
            return open.HeldOut(batch, Options.ScoringTokens);
        }

        if (Options.Tasks is not null)
        {
            var problems = new TaskDocuments(Tokenizer, Problems(Tasks.ProblemSplit.Evaluation, Options.Seed), Parent.Configuration);
            return TaskDocuments.Checked(new BatchPacker(problems, batch, length).Take(Options.ScoringTokens), length);
        }

        var text = new TextSource(Tokenizer, TextSplit.Of(TextFiles.ReadDocuments(Options.Text)).HeldOut, Parent.Configuration.BosTokenId, length, Options.Seed);
        return new BatchPacker(text, batch, length) { EndDocument = text.Count }.Take(Options.ScoringTokens);
    }

    private PretrainingData Pretraining(string path)
    {
        var plan = BlendPlan.Of(path);
        // Training reads the mapped files until the process ends.
        var open = new OpenBlend(plan, Parent.Configuration, Tokenizer, Healing.PretrainingLength);
        try
        {
            ulong seed = Options.Seed + PretrainingStream;
            return new PretrainingData(
                open.Training(seed), open.HeldOut(Healing.PretrainingBatchTokens, Options.ScoringTokens),
                ContentHash.OfNamed([new("data", plan.Hash()), new("drawn", FormattableString.Invariant($"{seed}/{Options.ScoringTokens}"))]));
        }
        catch
        {
            open.Dispose();
            throw;
        }
    }

    private Tasks.ProblemSource Problems(Tasks.ProblemSplit split, ulong seed) =>
        Commands.TasksCommand.Source(split, seed, Options.Tasks, Options.Levels);
}
