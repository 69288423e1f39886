namespace Tessera.Puzzle.Targets;

/// <summary>What a target limits.</summary>
public enum TargetQuantity
{
    /// <summary>Weights and the load's keys and values, in bytes.</summary>
    Memory,

    /// <summary>Weights.</summary>
    Parameters,

    /// <summary>Time to the first logits of the load's prompts, in seconds.</summary>
    Prefill,

    /// <summary>Time of one generation step, in seconds.</summary>
    Decode,

    /// <summary>Generated tokens a second over the whole load.</summary>
    Throughput,

    /// <summary>The load's keys and values, in bytes.</summary>
    KvCache,

    /// <summary>Time of the whole load: prompts, then every generation step, in seconds.</summary>
    Latency,

    /// <summary>Prompt and generated tokens a second over the whole load: the throughput of the Puzzle paper.</summary>
    TotalThroughput,

    /// <summary>Layers in which a half is left.</summary>
    Layers,

    /// <summary>Layers with attention.</summary>
    AttentionLayers,

    /// <summary>Layers with a feed-forward that is not a linear map.</summary>
    FeedForwardLayers,

    /// <summary>Layers whose variant a selector names.</summary>
    Variants,
}
