using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>
/// Generated problems as training documents: begin token, prompt, worked reasoning and answer, end token. Predictions count
/// from the first token after the prompt, since nothing determines the question.
/// </summary>
internal sealed class TaskDocuments(Tokenizer tokenizer, ProblemSource problems, ModelConfiguration model) : IDocumentSource
{
    private readonly int? _beginId = model.BosTokenId;
    private readonly int _endId = model.EosTokenIds.Length > 0
        ? model.EosTokenIds[0]
        : throw new InvalidDataException("config.json: eos_token_id is missing, and generated problems end with it");

    /// <summary>Batches of these documents.</summary>
    /// <exception cref="ArgumentException">No completion fits the longest document.</exception>
    public static List<PackedBatch> Checked(List<PackedBatch> batches, int maxLength) =>
        batches.Count == 0 || batches.Sum(batch => batch.WeightSum) > 0
            ? batches
            : throw new ArgumentException($"--max-length {maxLength}: no answer of a generated problem fits");

    public TokenDocument Get(long index)
    {
        var problem = problems.Create(index);
        int[] prompt = tokenizer.Encode(problem.Prompt, addSpecialTokens: false);
        int[] completion = tokenizer.Encode(problem.Completion, addSpecialTokens: false);
        int[] ids = _beginId is { } begin ? [begin, .. prompt, .. completion, _endId] : [.. prompt, .. completion, _endId];
        float[] weights = new float[ids.Length];
        Array.Fill(weights, 1f, ids.Length - completion.Length - 1, completion.Length + 1);
        return new TokenDocument(ids, weights);
    }
}
