using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>
/// Generated problems as training documents: begin token, prompt, worked reasoning and answer, end token. Predictions count
/// from the first token after the prompt, since nothing determines the question.
/// </summary>
internal sealed class TaskDocuments(Tokenizer tokenizer, ProblemSource problems, int? beginId, int endId) : IDocumentSource
{
    public TokenDocument Get(long index)
    {
        var problem = problems.Create(index);
        int[] prompt = tokenizer.Encode(problem.Prompt, addSpecialTokens: false);
        int[] completion = tokenizer.Encode(problem.Completion, addSpecialTokens: false);
        int[] ids = beginId is { } begin ? [begin, .. prompt, .. completion, endId] : [.. prompt, .. completion, endId];
        float[] weights = new float[ids.Length];
        Array.Fill(weights, 1f, ids.Length - completion.Length - 1, completion.Length + 1);
        return new TokenDocument(ids, weights);
    }
}
