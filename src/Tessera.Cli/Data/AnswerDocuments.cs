using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>
/// Generated problems of which the answer alone counts: begin token, prompt and worked reasoning are given, and the weights are on the tokens
/// of the reference answer and on those that end it.
/// </summary>
internal sealed class AnswerDocuments(Tokenizer tokenizer, ProblemSource problems, ModelConfiguration model) : IDocumentSource
{
    private readonly int _endId = model.EosTokenIds.Length > 0
        ? model.EosTokenIds[0]
        : throw new InvalidDataException("config.json: eos_token_id is missing, and generated problems end with it");

    public TokenDocument Get(long index)
    {
        var problem = problems.Create(index);
        string completion = problem.Completion;
        int[] prompt = tokenizer.Encode(problem.Prompt, addSpecialTokens: false), ids = tokenizer.Encode(completion, addSpecialTokens: false);
        int answerAt = completion.LastIndexOf(problem.Answer, StringComparison.Ordinal), first = 0;
        // The first token that reaches into the answer.
        while (first < ids.Length && tokenizer.Decode(ids.AsSpan(0, first + 1), skipSpecialTokens: false).Length <= answerAt)
        {
            first++;
        }

        int[] all = model.BosTokenId is { } begin ? [begin, .. prompt, .. ids, _endId] : [.. prompt, .. ids, _endId];
        float[] weights = new float[all.Length];
        Array.Fill(weights, 1f, all.Length - 1 - (ids.Length - first), ids.Length - first + 1);
        return new TokenDocument(all, weights);
    }
}
