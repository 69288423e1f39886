using System.Globalization;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Inference;

/// <summary>Sizes of an engine.</summary>
public sealed record EngineSettings
{
    private const long DefaultCacheBytes = 1L << 30;

    /// <summary>
    /// Sizes for many sequences that nobody waits for one by one: 256 at a time share the cost of reading the weights.
    /// </summary>
    public static EngineSettings Throughput { get; } = new() { MaxRunning = 256, StepTokens = 2048, ChunkTokens = 512 };

    /// <summary>Storage of keys and values: f32 or bf16.</summary>
    public DType CacheType { get; init; } = DType.F32;

    /// <summary>Most sequences in one step.</summary>
    public int MaxRunning { get; init; } = 64;

    /// <summary>Most tokens of a step.</summary>
    public int StepTokens { get; init; } = 512;

    /// <summary>Most tokens of one sequence in a step: longer prompts are taken in chunks, so that others go on meanwhile.</summary>
    public int ChunkTokens { get; init; } = 128;

    /// <summary>
    /// Pages of 64 positions; null for what <see cref="MaxRunning"/> sequences of the model's full length need, within 1 GiB.
    /// </summary>
    public int? Pages { get; init; }

    /// <summary>Whether a token's bits must not depend on how many others its step holds; small batches are slower for it.</summary>
    public bool Invariant { get; init; }

    /// <summary>
    /// Whether steps are never recorded on a device that records them: the reference of recorded steps, which have the same bits, and the
    /// way to find a kernel that fails.
    /// </summary>
    public bool Eager { get; init; }

    /// <summary>
    /// Most bytes for packed forms of the weights, which spare steps of many tokens the packing; a model whose forms take more
    /// has none.
    /// </summary>
    public long PackedWeightBytes { get; init; } = PackedWeights.DefaultLimitBytes;

    /// <summary>The number of pages for a model.</summary>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public int PagesFor(ModelConfiguration model)
    {
        Require(CacheType is DType.F32 or DType.BF16, nameof(CacheType), CacheType.Label(), "f32 or bf16");
        Require(MaxRunning is >= 1 and <= 4096, nameof(MaxRunning), MaxRunning, "1 to 4096");
        Require(StepTokens >= 1, nameof(StepTokens), StepTokens, "1 or more");
        Require(ChunkTokens >= 1, nameof(ChunkTokens), ChunkTokens, "1 or more");
        Require(Pages is null or >= 1, nameof(Pages), Pages ?? 0, "1 or more");
        if (Pages is { } pages)
        {
            return pages;
        }

        int whole = KeyValueCache.PagesOf(model.MaxPositions);
        long wanted = (long)whole * MaxRunning;
        long affordable = DefaultCacheBytes / Math.Max(1, KeyValueCache.PageBytes(model, CacheType));
        return (int)Math.Min(wanted, Math.Max(whole, affordable));
    }

    private static void Require(bool holds, string setting, object value, string expected)
    {
        if (!holds)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{setting} is {value}, expected {expected}"));
        }
    }
}

/// <summary>What an engine is doing.</summary>
/// <param name="Running">Sequences that hold pages.</param>
/// <param name="Waiting">Sequences that wait for room.</param>
/// <param name="FreePages">Pages that nobody holds.</param>
/// <param name="TotalPages">All pages.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="PromptTokens">Tokens fed that were not chosen in the step before, recomputed ones included.</param>
/// <param name="GeneratedTokens">Tokens chosen.</param>
/// <param name="Preemptions">Times a sequence had to give its pages to another.</param>
public readonly record struct EngineState(
    int Running, int Waiting, int FreePages, int TotalPages, long Steps, long PromptTokens, long GeneratedTokens, long Preemptions)
{
    /// <summary>Steps that were launched as a whole, where the device records them; see <see cref="Engine.StepRunner"/>.</summary>
    public long LaunchedSteps { get; init; }
}

/// <summary>One chosen token, or the end of a cancelled sequence.</summary>
/// <param name="Request">The number that submitting gave.</param>
/// <param name="Token">The token; −1 where <paramref name="Finish"/> is <see cref="FinishReason.Cancelled"/>.</param>
/// <param name="LogProb">Natural log of its probability at temperature 1 without truncation.</param>
/// <param name="Top">The likeliest tokens, if they were asked for.</param>
/// <param name="Finish">Why the sequence ended with it; null while it goes on. With Stop, the token is not part of the text.</param>
public sealed record TokenEvent(long Request, int Token, float LogProb, IReadOnlyList<TokenLogProb> Top, FinishReason? Finish);
