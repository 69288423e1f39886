using Tessera.Inference;

namespace Tessera.Alignment.Rollouts;

/// <summary>A response to draw.</summary>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="Seed">Seed of its draws.</param>
public sealed record SampleRequest(int[] Prompt, ulong Seed);

/// <summary>A response that was drawn.</summary>
/// <param name="Ids">Its tokens; the stop token is the last one where it ended by itself.</param>
/// <param name="LogProbs">The engine's log-probability of each token, at temperature 1.</param>
/// <param name="IsFinished">False where it was cut off at the limit.</param>
public sealed record SampledResponse(int[] Ids, float[] LogProbs, bool IsFinished)
{
    /// <summary>The tokens without the stop token.</summary>
    public ReadOnlySpan<int> Content => IsFinished ? Ids.AsSpan(0, Ids.Length - 1) : Ids;
}

/// <summary>Draws responses from the policy as it is now, at temperature 1 without truncation.</summary>
public interface IResponseSampler
{
    /// <summary>One response for every request, in order; each depends on its request and the policy only.</summary>
    IReadOnlyList<SampledResponse> Sample(IReadOnlyList<SampleRequest> requests);
}

/// <summary>Draws with the inference engine, which reads the parameters that the trainer updates.</summary>
/// <param name="generator">An engine over the policy.</param>
/// <param name="stopIds">Tokens that end a response.</param>
/// <param name="maxNewTokens">Most tokens of a response, the stop token included.</param>
public sealed class EngineSampler(Generator generator, IReadOnlyList<int> stopIds, int maxNewTokens) : IResponseSampler
{
    /// <inheritdoc />
    public IReadOnlyList<SampledResponse> Sample(IReadOnlyList<SampleRequest> requests)
    {
        var settings = new GenerationSettings { MaxNewTokens = maxNewTokens, Temperature = 1f, StopIds = stopIds };
        var sequences = generator.Generate(
            [.. requests.Select(request => new GenerationRequest(request.Prompt, settings with { Seed = request.Seed }))]);
        return
        [
            .. sequences.Select(sequence => new SampledResponse(
                sequence.StopId is { } stop ? [.. sequence.Ids, stop] : sequence.Ids, sequence.LogProbs, sequence.StopId is not null)),
        ];
    }
}
