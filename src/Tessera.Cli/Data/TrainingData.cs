using Tessera.Cli.Data.Blends;
using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>Documents to train on and held-out batches to validate on.</summary>
/// <param name="Documents">Endless training documents.</param>
/// <param name="Validation">Batches that are not trained on.</param>
internal sealed record TrainingData(IDocumentSource Documents, IReadOnlyList<PackedBatch> Validation) : IDisposable
{
    private const ulong ValidationSeed = 0x7A11D;

    /// <summary>What the documents are read from, or null.</summary>
    private OpenBlend? Files { get; init; }

    /// <summary>A blend, each source without what of it is held out.</summary>
    public static TrainingData FromBlend(BlendPlan plan, ModelConfiguration model, Tokenizer tokenizer, ulong seed, TrainingShape shape)
    {
        var files = new OpenBlend(plan, model, tokenizer, shape.MaxLength);
        try
        {
            return new TrainingData(files.Training(seed), files.HeldOut(shape.BatchTokens, shape.ValidationTokens)) { Files = files };
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Generated problems; validation problems come from the evaluation split.</summary>
    public static TrainingData FromTasks(
        ModelConfiguration model, Tokenizer tokenizer, ulong seed, string? tasks, string? levels, TrainingShape shape)
    {
        var documents = new TaskDocuments(tokenizer, Commands.TasksCommand.Source(ProblemSplit.Training, seed, tasks, levels), model);
        var heldOut = new TaskDocuments(
            tokenizer, Commands.TasksCommand.Source(ProblemSplit.Evaluation, ValidationSeed, tasks, levels), model);
        var validation = new BatchPacker(heldOut, shape.BatchTokens, shape.MaxLength).Take(shape.ValidationTokens);
        return new TrainingData(documents, TaskDocuments.Checked(validation, shape.MaxLength));
    }

    /// <summary>Text, a twentieth of it held out.</summary>
    public static TrainingData FromText(
        ModelConfiguration model, Tokenizer tokenizer, ulong seed, IReadOnlyList<string> texts, TrainingShape shape)
    {
        var split = TextSplit.Of(texts);
        var training = new TextSource(tokenizer, split.Training, model.BosTokenId, shape.MaxLength, seed);
        if (shape.ValidationTokens == 0)
        {
            return new TrainingData(training, []);
        }

        var heldOut = new TextSource(tokenizer, split.HeldOut, model.BosTokenId, shape.MaxLength, 0);
        var packer = new BatchPacker(heldOut, shape.BatchTokens, shape.MaxLength) { EndDocument = heldOut.Count };
        return new TrainingData(training, packer.Take(shape.ValidationTokens));
    }

    public void Dispose() => Files?.Dispose();
}

/// <summary>Sizes of batches.</summary>
/// <param name="BatchTokens">Most tokens of a batch.</param>
/// <param name="MaxLength">Longest document.</param>
/// <param name="ValidationTokens">Held-out tokens.</param>
internal readonly record struct TrainingShape(int BatchTokens, int MaxLength, int ValidationTokens);
