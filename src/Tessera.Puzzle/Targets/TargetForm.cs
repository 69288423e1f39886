namespace Tessera.Puzzle.Targets;

/// <summary>How a quantity is written, and how its limits read.</summary>
/// <param name="Name">The word in a target.</param>
/// <param name="Quantity">What is limited.</param>
/// <param name="Unit">What values are.</param>
/// <param name="Example">A target with it.</param>
internal sealed record TargetForm(string Name, TargetQuantity Quantity, TargetUnit Unit, string Example)
{
    /// <summary>Every word; the first of a quantity is the one that reports use.</summary>
    public static IReadOnlyList<TargetForm> All { get; } =
    [
        new("memory", TargetQuantity.Memory, TargetUnit.Bytes, "memory<=40GiB"),
        new("kv", TargetQuantity.KvCache, TargetUnit.Bytes, "kv<=50%"),
        new("parameters", TargetQuantity.Parameters, TargetUnit.Weights, "parameters<=60%"),
        new("ttft", TargetQuantity.Prefill, TargetUnit.Time, "ttft<=500ms"),
        new("prefill", TargetQuantity.Prefill, TargetUnit.Time, "prefill<=500ms"),
        new("decode", TargetQuantity.Decode, TargetUnit.Time, "decode>=1.5x"),
        new("latency", TargetQuantity.Latency, TargetUnit.Time, "latency<=5s"),
        new("throughput", TargetQuantity.Throughput, TargetUnit.Rate, "throughput>=900"),
        new("generation-throughput", TargetQuantity.Throughput, TargetUnit.Rate, "generation-throughput>=2x"),
        new("total-throughput", TargetQuantity.TotalThroughput, TargetUnit.Rate, "total-throughput>=4700"),
        new("layers", TargetQuantity.Layers, TargetUnit.Layers, "layers<=60"),
        new("attention-layers", TargetQuantity.AttentionLayers, TargetUnit.Layers, "attention-layers<=20"),
        new("ffn-layers", TargetQuantity.FeedForwardLayers, TargetUnit.Layers, "ffn-layers>=75%"),
    ];

    /// <summary>The word by which reports call a quantity.</summary>
    public static string NameOf(TargetQuantity quantity) => All.FirstOrDefault(form => form.Quantity == quantity)?.Name ?? "count";

    /// <summary>How values of a quantity are written.</summary>
    public static TargetUnit UnitOf(TargetQuantity quantity) =>
        All.FirstOrDefault(form => form.Quantity == quantity)?.Unit ?? TargetUnit.Layers;
}

/// <summary>What a target's values are.</summary>
internal enum TargetUnit
{
    /// <summary>A size; a ratio to the parent's.</summary>
    Bytes,

    /// <summary>A count; a ratio to the parent's.</summary>
    Weights,

    /// <summary>A duration; a ratio is one of speed.</summary>
    Time,

    /// <summary>Tokens a second; a ratio to the parent's.</summary>
    Rate,

    /// <summary>A whole number; a ratio to the parent's. The only unit with limits on either side.</summary>
    Layers,
}
