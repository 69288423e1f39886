using Tessera.Devices;
using Tessera.Models;

namespace Tessera.Inference;

/// <summary>Continues all of several sequences and returns them in order: what evaluation and rollouts need.</summary>
/// <param name="device">Where to compute.</param>
/// <param name="model">The model.</param>
/// <param name="settings">Sizes of the engine.</param>
public sealed class Generator(Device device, Decoder model, EngineSettings settings) : IDisposable
{
    private readonly BatchEngine _engine = new(device, model, settings);

    /// <summary>What the engine has done so far.</summary>
    public EngineState State => _engine.State;

    /// <summary>Continues every sequence until it ends.</summary>
    /// <param name="requests">The sequences.</param>
    /// <param name="onToken">Called with a sequence's index and each of its events, if not null.</param>
    /// <exception cref="ArgumentException">A prompt is empty, holds unknown ids or is too long, or a setting is unusable.</exception>
    public IReadOnlyList<GeneratedSequence> Generate(
        IReadOnlyList<GenerationRequest> requests, Action<int, TokenEvent>? onToken = null)
    {
        var outputs = new Output[requests.Count];
        var byNumber = new Dictionary<long, int>();
        try
        {
            for (int i = 0; i < outputs.Length; i++)
            {
                outputs[i] = new Output();
                requests[i].Settings.Validate();
                if (requests[i].Settings.MaxNewTokens > 0)
                {
                    byNumber.Add(_engine.Submit(requests[i].Prompt, requests[i].Settings, requests[i].Guide), i);
                }
            }

            while (byNumber.Count > 0)
            {
                foreach (var item in _engine.Step())
                {
                    Take(item, outputs, byNumber, onToken);
                }
            }
        }
        finally
        {
            foreach (long number in byNumber.Keys)
            {
                _engine.Cancel(number);
            }
        }

        return [.. outputs.Select(output => output.Result)];
    }

    /// <summary>Continues every prompt with the same settings; each draws from a seed of its own.</summary>
    public IReadOnlyList<GeneratedSequence> Generate(IReadOnlyList<int[]> prompts, GenerationSettings settings) =>
        Generate([.. prompts.Select((prompt, i) => new GenerationRequest(
            prompt, settings with { Seed = GenerationSettings.SequenceSeed(settings.Seed, (ulong)i) }))]);

    /// <inheritdoc />
    public void Dispose() => _engine.Dispose();

    private static void Take(
        TokenEvent item, Output[] outputs, Dictionary<long, int> byNumber, Action<int, TokenEvent>? onToken)
    {
        if (!byNumber.TryGetValue(item.Request, out int index))
        {
            // The end of a sequence that an earlier call gave up.
            return;
        }

        outputs[index].Add(item);
        if (item.Finish is not null)
        {
            byNumber.Remove(item.Request);
        }

        onToken?.Invoke(index, item);
    }

    private sealed class Output
    {
        private readonly List<int> _ids = [];
        private readonly List<float> _logProbs = [];
        private int? _stopId;
        private FinishReason _reason = FinishReason.Length;

        public GeneratedSequence Result =>
            new([.. _ids], _reason) { StopId = _stopId, LogProbs = [.. _logProbs] };

        public void Add(TokenEvent item)
        {
            _reason = item.Finish ?? _reason;
            _logProbs.Add(item.LogProb);
            if (item.Finish == FinishReason.Stop)
            {
                _stopId = item.Token;
            }
            else
            {
                _ids.Add(item.Token);
            }
        }
    }
}
