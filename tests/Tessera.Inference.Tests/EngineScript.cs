using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

/// <summary>A busy hour of an engine: requests of every kind that arrive while others run.</summary>
internal static class EngineScript
{
    /// <summary>Greedy, drawn from some of the tokens, with alternatives, and guided; all from a seed.</summary>
    /// <returns>The sequences, log-probabilities of alternatives among theirs, and what the engine did.</returns>
    public static (GeneratedSequence[] Outputs, EngineState State) Run(
        Tessera.Devices.Device device, Decoder model, EngineSettings settings, ulong seed, int requests)
    {
        var random = new CounterRandom(seed, 3);
        using var engine = new BatchEngine(device, model, settings);
        var tokens = new List<List<TokenEvent>>();
        while (tokens.Count < requests || engine.HasWork)
        {
            if (tokens.Count < requests && random.Next(4) == 0)
            {
                Submit(engine, model.Configuration.VocabularySize, tokens.Count % 5, ref random);
                tokens.Add([]);
            }

            foreach (var item in engine.Step())
            {
                tokens[(int)item.Request].Add(item);
            }
        }

        return ([.. tokens.Select(events => new GeneratedSequence([.. events.Select(item => item.Token)], FinishReason.Length)
        {
            LogProbs = [.. events.SelectMany(item => (float[])[item.LogProb, .. item.Top.Select(top => top.LogProb)])],
        })], engine.State);
    }

    /// <summary>The same tokens with the same bits.</summary>
    public static void AssertSame(IReadOnlyList<GeneratedSequence> expected, IReadOnlyList<GeneratedSequence> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Ids, actual[i].Ids);
            Assert.Equal(expected[i].LogProbs, actual[i].LogProbs);
        }
    }

    private static void Submit(BatchEngine engine, int vocabulary, int kind, ref CounterRandom random)
    {
        int[] prompt = SmallModel.Ids(random.Next(1, 90), vocabulary, (ulong)random.Next(1_000_000));
        var settings = new GenerationSettings
        {
            MaxNewTokens = random.Next(10, 50),
            Temperature = kind == 0 ? 0 : 0.9f,
            TopK = kind == 1 ? 6 : 0,
            TopP = kind == 2 ? 0.8f : 1,
            TopLogProbs = kind == 3 ? 4 : 0,
            Seed = (ulong)random.Next(1_000_000),
        };
        engine.Submit(prompt, settings, kind == 4 ? new Prescription() : null);
    }

    /// <summary>Prescribes three tokens in every seven.</summary>
    private sealed class Prescription : SequenceGuide
    {
        private int _seen;

        public override GuideVerdict Observe(int token) => new(false, ++_seen % 7 == 0 ? [1, 2, 3] : null);
    }
}
