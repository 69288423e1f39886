using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>Documents to train on and held-out batches to validate on.</summary>
/// <param name="Documents">Endless training documents.</param>
/// <param name="Validation">Batches that are not trained on.</param>
internal sealed record TrainingData(IDocumentSource Documents, IReadOnlyList<PackedBatch> Validation)
{
    private const ulong ValidationSeed = 0x7A11D;

    /// <summary>Generated problems; validation problems come from the evaluation split.</summary>
    public static TrainingData FromTasks(
        ModelConfiguration model, Tokenizer tokenizer, ulong seed, string? tasks, string? levels, TrainingShape shape)
    {
        int end = EndToken(model);
        var documents = new TaskDocuments(
            tokenizer, Problems(ProblemSplit.Training, seed, tasks, levels), model.BosTokenId, end);
        var heldOut = new TaskDocuments(
            tokenizer, Problems(ProblemSplit.Evaluation, ValidationSeed, tasks, levels), model.BosTokenId, end);
        return new TrainingData(documents, Take(heldOut, shape, long.MaxValue));
    }

    /// <summary>Text, a twentieth of it held out.</summary>
    public static TrainingData FromText(
        ModelConfiguration model, Tokenizer tokenizer, ulong seed, IReadOnlyList<string> texts, TrainingShape shape)
    {
        var split = TextSplit.Of(texts);
        var validation = shape.ValidationTokens == 0
            ? []
            : Held(new TextSource(tokenizer, split.HeldOut, model.BosTokenId, shape.MaxLength, 0), shape);
        return new TrainingData(new TextSource(tokenizer, split.Training, model.BosTokenId, shape.MaxLength, seed), validation);
    }

    private static List<PackedBatch> Held(TextSource source, TrainingShape shape) => Take(source, shape, source.Count);

    private static ProblemSource Problems(ProblemSplit split, ulong seed, string? tasks, string? levels) =>
        Commands.TasksCommand.Source(split, seed, tasks is null or "all" ? null : tasks, levels);

    private static int EndToken(ModelConfiguration model) => model.EosTokenIds.Length > 0
        ? model.EosTokenIds[0]
        : throw new InvalidDataException("config.json: eos_token_id is missing, and generated problems end with it");

    private static List<PackedBatch> Take(IDocumentSource source, TrainingShape shape, long documents)
    {
        var packer = new BatchPacker(source, shape.BatchTokens, shape.MaxLength);
        var batches = new List<PackedBatch>();
        for (long tokens = 0; tokens < shape.ValidationTokens && packer.NextDocument < documents; tokens += batches[^1].Ids.Length)
        {
            batches.Add(packer.Next());
        }

        return batches;
    }
}

/// <summary>Sizes of batches.</summary>
/// <param name="BatchTokens">Most tokens of a batch.</param>
/// <param name="MaxLength">Longest document.</param>
/// <param name="ValidationTokens">Held-out tokens.</param>
internal readonly record struct TrainingShape(int BatchTokens, int MaxLength, int ValidationTokens);
