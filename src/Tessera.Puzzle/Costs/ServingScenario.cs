using System.Text.Json.Serialization;
using Tessera.Devices;

namespace Tessera.Puzzle.Costs;

/// <summary>The load a model is measured and searched for.</summary>
/// <param name="Batch">Sequences at a time.</param>
/// <param name="InputLength">Prompt tokens of each.</param>
/// <param name="OutputLength">Generated tokens of each.</param>
/// <param name="Type">Storage of weights, keys and values.</param>
/// <param name="Threads">Workers of the processor; 0 on a card.</param>
public sealed record ServingScenario(int Batch, int InputLength, int OutputLength, DType Type, int Threads)
{
    /// <summary>For reports: <c>batch 1, 64 in / 192 out, bf16, 2 threads</c>.</summary>
    public string Label =>
        $"batch {Batch}{(QueuedPrompts > 0 ? $" and {QueuedPrompts} queued" : string.Empty)}, {InputLength} in / {OutputLength} out, {Type.Label()}, {Card ?? $"{Threads} threads"}";

    /// <summary>The name of the card, or null for the processor.</summary>
    public string? Card { get; init; }

    /// <summary>Further sequences whose prompts already take room in the cache; they count in memory alone.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int QueuedPrompts { get; init; }

    /// <summary>Positions a sequence reaches.</summary>
    public int Positions => InputLength + OutputLength;

    /// <summary>How memory is counted here: gains are f32 whatever other weights are.</summary>
    [JsonIgnore]
    public MemoryModel Memory => new()
    {
        Weights = StorageFormat.Parse(Type.Label(), "storage"),
        Gains = StorageFormat.Parse(DType.F32.Label(), "storage"),
        KeysAndValues = StorageFormat.Parse(Type.Label(), "storage"),
        Batch = Batch,
        QueuedPrompts = QueuedPrompts,
        Positions = Positions,
    };

    /// <summary>Generated tokens a second, prompts included in the time: batch · out / (prefill + out · decode).</summary>
    public double Throughput(double prefillSeconds, double decodeSeconds) =>
        Batch * OutputLength / (prefillSeconds + (OutputLength * decodeSeconds));
}
