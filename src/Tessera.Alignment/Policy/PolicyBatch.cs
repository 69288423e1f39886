namespace Tessera.Alignment.Policy;

/// <summary>A response with what the policy loss needs to know about it.</summary>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="Response">Tokens of the response.</param>
/// <param name="EngineLogProbs">The engine's log-probability of each token of the response.</param>
/// <param name="Advantage">A of all its tokens.</param>
/// <param name="Weight">Weight of each token's loss; 0 leaves the response out of the loss.</param>
public sealed record PolicyResponse(int[] Prompt, int[] Response, float[] EngineLogProbs, double Advantage, float Weight)
{
    /// <summary>Rows that it takes in a batch: the last token is predicted and predicts nothing.</summary>
    public int Rows => Prompt.Length + Response.Length - 1;
}

/// <summary>Prompts with their responses laid one behind the other: a micro-batch. Arrays are by row.</summary>
public sealed class PolicyBatch
{
    private PolicyBatch(int rows, int documents)
    {
        Ids = new int[rows];
        Targets = new int[rows];
        Lengths = new int[documents];
        Weights = new float[rows];
        Advantages = new float[rows];
        IsResponse = new float[rows];
        EngineLogProbs = new float[rows];
        OldLogProbs = new float[rows];
    }

    /// <summary>Input tokens.</summary>
    public int[] Ids { get; }

    /// <summary>The token behind each input token; 0 within prompts.</summary>
    public int[] Targets { get; }

    /// <summary>Rows of each document.</summary>
    public int[] Lengths { get; }

    /// <summary>Weights of the loss; 0 within prompts and in responses that are left out.</summary>
    public float[] Weights { get; }

    /// <summary>Advantages; 0 within prompts.</summary>
    public float[] Advantages { get; }

    /// <summary>1 where the target is a token of a response, left out or not; else 0.</summary>
    public float[] IsResponse { get; }

    /// <summary>The engine's log-probabilities.</summary>
    public float[] EngineLogProbs { get; }

    /// <summary>logπ_old as the trainer computes it, set before the first update.</summary>
    public float[] OldLogProbs { get; }

    /// <summary>logπ_ref, set where there is a reference.</summary>
    public float[]? ReferenceLogProbs { get; set; }

    /// <summary>Off-policy corrections ρ, set where they are asked for.</summary>
    public float[]? Corrections { get; set; }

    /// <summary>Lays responses into micro-batches in order, each as full as whole documents allow.</summary>
    /// <param name="responses">The responses of an update; those without a token are left out.</param>
    /// <param name="tokenBudget">Most rows of a micro-batch; a longer document has one to itself.</param>
    public static List<PolicyBatch> Pack(IEnumerable<PolicyResponse> responses, int tokenBudget)
    {
        var batches = new List<PolicyBatch>();
        var open = new List<PolicyResponse>();
        int rows = 0;
        foreach (var response in responses.Where(response => response.Response.Length > 0))
        {
            if (open.Count > 0 && rows + response.Rows > tokenBudget)
            {
                batches.Add(Of(open, rows));
                open.Clear();
                rows = 0;
            }

            open.Add(response);
            rows += response.Rows;
        }

        if (open.Count > 0)
        {
            batches.Add(Of(open, rows));
        }

        return batches;
    }

    private static PolicyBatch Of(List<PolicyResponse> responses, int rows)
    {
        var batch = new PolicyBatch(rows, responses.Count);
        int start = 0;
        for (int d = 0; d < responses.Count; d++)
        {
            batch.Lengths[d] = responses[d].Rows;
            batch.Lay(responses[d], start);
            start += responses[d].Rows;
        }

        return batch;
    }

    private void Lay(PolicyResponse response, int start)
    {
        int[] prompt = response.Prompt, tokens = response.Response;
        prompt.CopyTo(Ids, start);
        tokens.AsSpan(0, tokens.Length - 1).CopyTo(Ids.AsSpan(start + prompt.Length));
        for (int i = 0; i < tokens.Length; i++)
        {
            // The row in front of a token predicts it.
            int row = start + prompt.Length - 1 + i;
            Targets[row] = tokens[i];
            Weights[row] = response.Weight;
            Advantages[row] = (float)response.Advantage;
            IsResponse[row] = 1f;
            EngineLogProbs[row] = response.EngineLogProbs[i];
        }
    }
}
