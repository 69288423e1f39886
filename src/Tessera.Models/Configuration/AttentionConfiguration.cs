namespace Tessera.Models.Configuration;

/// <summary>Causal attention with grouped keys and values.</summary>
/// <param name="KvHeadCount">Key and value heads K; divides the layer's query heads.</param>
public sealed record AttentionConfiguration(int KvHeadCount) : MixerConfiguration
{
    /// <summary>Query heads where they are not the model's, as in a layer that was made of several; null for the model's.</summary>
    public int? QueryHeadCount { get; init; }

    /// <summary>Sliding window W: a token attends to itself and the W − 1 before it. None: to all before it.</summary>
    public int? Window { get; init; }

    /// <summary>Whether the query, key and value projections have biases.</summary>
    public bool HasQkvBias { get; init; }

    /// <summary>Whether the output projection has a bias.</summary>
    public bool HasOutputBias { get; init; }

    /// <summary>Whether every query and key head is normalised before its rotation.</summary>
    public bool HasHeadNorms { get; init; }

    /// <summary>
    /// Query and output [heads·d, h], key and value [K·d, h], norm [h]; biases [(heads + 2K)·d] and [h]; two head norms [d].
    /// </summary>
    public override long ParameterCount(ModelConfiguration model) =>
        MatrixElements(model) + model.HiddenSize
        + (HasQkvBias ? (Heads(model) + (2L * KvHeadCount)) * model.HeadDim : 0)
        + (HasOutputBias ? model.HiddenSize : 0)
        + (HasHeadNorms ? 2L * model.HeadDim : 0);

    /// <summary>2·K·d. The cache keeps positions that have left the window, too; attention no longer reads them.</summary>
    public override long KvElementsPerToken(ModelConfiguration model) => 2L * KvHeadCount * model.HeadDim;

    /// <summary>The four projections, and scores and weighted sum: 4·heads·d for each attended token in the window.</summary>
    public override double FlopsPerToken(ModelConfiguration model, int contextLength) =>
        (2.0 * MatrixElements(model)) + (4.0 * Heads(model) * model.HeadDim * Math.Min(contextLength, Window ?? contextLength));

    /// <summary>Query heads of the layer.</summary>
    public int Heads(ModelConfiguration model) => QueryHeadCount ?? model.HeadCount;

    /// <summary>For example <c>kv8</c>, or <c>kv8-q64-w4096-bias-norm</c> with all parts named that a layer has.</summary>
    public override string ToString()
    {
        string bias = (HasQkvBias, HasOutputBias) switch
        {
            (true, true) => "-bias",
            (true, false) => "-qkvbias",
            (false, true) => "-obias",
            _ => string.Empty,
        };
        return $"kv{KvHeadCount}{(QueryHeadCount is { } heads ? $"-q{heads}" : string.Empty)}{(Window is { } window ? $"-w{window}" : string.Empty)}{bias}{(HasHeadNorms ? "-norm" : string.Empty)}";
    }

    private long MatrixElements(ModelConfiguration model) =>
        2L * (Heads(model) + KvHeadCount) * model.HeadDim * model.HiddenSize;
}
