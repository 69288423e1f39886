using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

/// <summary>What comes out of the engine depends on a request alone, however it is batched, cut, delayed and preempted.</summary>
public sealed class BatchEngineTests : IDisposable
{
    private const int Vocabulary = 41;
    private const int Longest = 200;
    private readonly CpuDevice _device = new(1);
    private readonly Decoder _model = SmallModel.Create(SmallModel.Configuration() with { MaxPositions = Longest });

    [Theory]
    [InlineData(1, DType.F32)]
    [InlineData(2, DType.F32)]
    [InlineData(3, DType.F32)]
    [InlineData(4, DType.F32)]
    [InlineData(5, DType.BF16)]
    [InlineData(6, DType.BF16)]
    public void Any_mix_of_batches_chunks_arrivals_and_preemptions_gives_what_naive_recomputation_gives(ulong seed, DType cache)
    {
        var random = new CounterRandom(seed, 2);
        long preemptions = 0;
        for (int round = 0; round < 5; round++)
        {
            var requests = Requests(ref random, 9, temperature: round % 2 == 0 ? 0 : 1);
            var settings = new EngineSettings
            {
                Invariant = true,
                CacheType = cache,
                MaxRunning = random.Next(1, 9),
                StepTokens = random.Next(1, 300),
                ChunkTokens = random.Next(1, 200),
                Pages = random.Next(4, 9),
            };
            var (outputs, state) = Run(requests, settings, ref random);
            preemptions += state.Preemptions;
            for (int i = 0; i < requests.Length; i++)
            {
                // bf16 keys are rounded once, whoever reads them: the reference feeds its own bf16 cache token by token.
                var expected = cache == DType.F32 ? Naive(requests[i]) : Alone(requests[i], settings);
                Assert.Equal(expected.Ids, outputs[i].Ids);
                Assert.Equal(expected.LogProbs, outputs[i].LogProbs);
            }
        }

        Assert.True(preemptions > 0, "no round was short of pages: the property was not tried");
    }

    [Fact]
    public void Without_invariant_kernels_a_token_differs_only_where_two_were_nearly_equal()
    {
        var random = new CounterRandom(21, 2);
        var requests = Requests(ref random, 24, temperature: 0);
        var (outputs, _) = Run(requests, new EngineSettings { MaxRunning = 24, StepTokens = 64, ChunkTokens = 16, Pages = 60 }, ref random);
        int tokens = 0;
        for (int i = 0; i < requests.Length; i++)
        {
            var expected = Naive(requests[i]);
            for (int t = 0; t < expected.Ids.Length; t++, tokens++)
            {
                if (outputs[i].Ids[t] == expected.Ids[t])
                {
                    Assert.Equal(expected.LogProbs[t], outputs[i].LogProbs[t], 1e-4f);
                    continue;
                }

                int[] before = [.. requests[i].Prompt, .. expected.Ids[..t]];
                float[] last = SmallModel.Logits(_device, _model, before)[^Vocabulary..];
                Assert.InRange(last.Max() - last[outputs[i].Ids[t]], 0, 1e-4f);
                break;
            }
        }

        Assert.True(tokens > 400);
    }

    [Fact]
    public void A_sampled_sequence_is_the_same_alone_and_among_thirty_two()
    {
        var random = new CounterRandom(4, 2);
        var requests = Requests(ref random, 32, temperature: 1);
        var settings = new EngineSettings { MaxRunning = 32, Pages = 140, Invariant = true };
        var (together, _) = Run(requests, settings, ref random);
        for (int i = 0; i < requests.Length; i++)
        {
            var alone = Alone(requests[i], settings);
            Assert.Equal(alone.Ids, together[i].Ids);
            Assert.Equal(alone.LogProbs, together[i].LogProbs);
        }

        Assert.Equal(32, together.Select(output => string.Join(' ', output.Ids)).Distinct().Count());
    }

    [Fact]
    public void Log_probabilities_have_the_bits_of_scoring_the_whole_text_at_once()
    {
        var random = new CounterRandom(9, 2);
        foreach (var request in Requests(ref random, 4, temperature: 1))
        {
            var output = Alone(request, new EngineSettings { Invariant = true, ChunkTokens = 7 });
            int[] all = [.. request.Prompt, .. output.Ids];
            float[] logits = SmallModel.InvariantLogits(_device, _model, all);
            for (int t = 0; t < output.Ids.Length; t++)
            {
                Assert.Equal(LogProb(logits, request.Prompt.Length - 1 + t, output.Ids[t]), output.LogProbs[t]);
            }
        }
    }

    [Fact]
    public void Decoding_token_by_token_keeps_the_bound_on_log_probabilities()
    {
        var random = new CounterRandom(10, 2);
        double worst = 0;
        var bf16 = new List<double>();
        foreach (var request in Requests(ref random, 12, temperature: 1))
        {
            var output = Alone(request, new EngineSettings());
            int[] all = [.. request.Prompt, .. output.Ids];
            float[] logits = SmallModel.Logits(_device, _model, all);
            var halves = Alone(request, new EngineSettings { CacheType = DType.BF16 });
            float[] ofHalves = SmallModel.Logits(_device, _model, [.. request.Prompt, .. halves.Ids]);
            for (int t = 0; t < output.Ids.Length; t++)
            {
                int row = request.Prompt.Length - 1 + t;
                worst = Math.Max(worst, Math.Abs(LogProb(logits, row, output.Ids[t]) - output.LogProbs[t]));
                bf16.Add(Math.Exp(Math.Abs(LogProb(ofHalves, row, halves.Ids[t]) - halves.LogProbs[t])));
            }
        }

        Assert.InRange(worst, 0, 1e-4);
        Assert.InRange(bf16.Average(), 1, 1.01);
    }

    [Fact]
    public void A_cancelled_sequence_gives_its_pages_back_at_once_and_says_so_once()
    {
        using var engine = new BatchEngine(_device, _model, new EngineSettings { Pages = 8, MaxRunning = 2 });
        var settings = new GenerationSettings { MaxNewTokens = 50 };
        long running = engine.Submit(SmallModel.Ids(70, Vocabulary), settings);
        long other = engine.Submit([1, 2], settings);
        long waiting = engine.Submit([3], settings);
        engine.Step();
        Assert.Equal((2, 1, 5), (engine.State.Running, engine.State.Waiting, engine.State.FreePages));
        Assert.True(engine.Cancel(running));
        Assert.True(engine.Cancel(waiting));
        Assert.False(engine.Cancel(running));
        Assert.Equal((1, 0, 7), (engine.State.Running, engine.State.Waiting, engine.State.FreePages));
        var events = engine.Step();
        Assert.Equal([running, waiting], events.Where(item => item.Finish == FinishReason.Cancelled).Select(item => item.Request));
        Assert.Contains(events, item => item.Request == other && item.Finish is null);
        Assert.True(engine.Cancel(other));
        Assert.Equal([other], engine.Step().Select(item => item.Request));
        Assert.False(engine.HasWork);
        Assert.Empty(engine.Step());
        Assert.Equal(8, engine.State.FreePages);
    }

    [Fact]
    public void A_guide_sees_every_token_once_even_when_preempted_and_can_prescribe_and_end()
    {
        var guides = Enumerable.Range(0, 4).Select(_ => new Prescription()).ToArray();
        using var generator = new Generator(_device, _model, new EngineSettings { Pages = 4, MaxRunning = 4, StepTokens = 40 });
        var settings = new GenerationSettings { MaxNewTokens = 100, Temperature = 1 };
        var outputs = generator.Generate(
            [.. guides.Select((guide, i) => new GenerationRequest(SmallModel.Ids(50, Vocabulary, (ulong)i), settings, guide))]);
        Assert.True(generator.State.Preemptions > 0);
        for (int i = 0; i < guides.Length; i++)
        {
            Assert.Equal(outputs[i].Ids, guides[i].Seen);
            Assert.Equal([7, 8, 9], outputs[i].Ids[20..23]);
            Assert.Equal(40, outputs[i].Ids.Length);
            Assert.Equal(FinishReason.StopText, outputs[i].Reason);
        }
    }

    [Fact]
    public void A_prompt_that_all_pages_cannot_hold_is_refused()
    {
        using var engine = new BatchEngine(_device, _model, new EngineSettings { Pages = 2 });
        var error = Assert.Throws<ArgumentException>(
            () => engine.Submit(SmallModel.Ids(129, Vocabulary), new GenerationSettings { MaxNewTokens = 1 }));
        Assert.Contains("129 tokens, the 2 pages of the cache hold 128", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new BatchEngine(_device, _model, new EngineSettings { MaxRunning = 0 }));
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static GenerationRequest[] Requests(ref CounterRandom random, int count, float temperature)
    {
        var requests = new GenerationRequest[count];
        for (int i = 0; i < count; i++)
        {
            int[] prompt = SmallModel.Ids(random.Next(1, 100), Vocabulary, (ulong)random.Next(1_000_000));
            requests[i] = new GenerationRequest(prompt, new GenerationSettings
            {
                MaxNewTokens = random.Next(1, 60),
                Temperature = temperature,
                TopK = temperature > 0 && i % 3 == 0 ? 10 : 0,
                Seed = (ulong)random.Next(1_000_000),
            });
        }

        return requests;
    }

    private static unsafe float LogProb(float[] logits, int row, int token)
    {
        fixed (float* address = logits)
        {
            return Sampler.LogProbs(address + ((long)row * Vocabulary), Vocabulary, token, 0).LogProb;
        }
    }

    /// <summary>Submits requests at random moments and collects what comes.</summary>
    private (GeneratedSequence[] Outputs, EngineState State) Run(
        GenerationRequest[] requests, EngineSettings settings, ref CounterRandom random)
    {
        using var engine = new BatchEngine(_device, _model, settings);
        var events = new Dictionary<long, List<TokenEvent>>();
        var numbers = new List<long>();
        while (numbers.Count < requests.Length || engine.HasWork)
        {
            if (numbers.Count < requests.Length && random.Next(2) == 0)
            {
                var request = requests[numbers.Count];
                numbers.Add(engine.Submit(request.Prompt, request.Settings));
                events.Add(numbers[^1], []);
            }

            foreach (var item in engine.Step())
            {
                events[item.Request].Add(item);
            }
        }

        Assert.Equal(engine.State.TotalPages, engine.State.FreePages);
        return ([.. numbers.Select(number => new GeneratedSequence([.. events[number].Select(item => item.Token)], FinishReason.Length)
        {
            LogProbs = [.. events[number].Select(item => item.LogProb)],
        })], engine.State);
    }

    private GeneratedSequence Alone(GenerationRequest request, EngineSettings settings)
    {
        using var generator = new Generator(_device, _model, settings with { MaxRunning = 1, StepTokens = 1000, Pages = null });
        return generator.Generate([request])[0];
    }

    /// <summary>Recomputes the whole sequence for every token, without any cache.</summary>
    private GeneratedSequence Naive(GenerationRequest request)
    {
        var ids = request.Prompt.ToList();
        var logProbs = new List<float>();
        for (int i = 0; i < request.Settings.MaxNewTokens; i++)
        {
            float[] logits = SmallModel.InvariantLogits(_device, _model, ids.ToArray());
            float[] last = logits[^Vocabulary..];
            int id = Sampler.Choose(last, request.Settings, ids.Count);
            logProbs.Add(LogProb(last, 0, id));
            ids.Add(id);
        }

        return new GeneratedSequence([.. ids.Skip(request.Prompt.Length)], FinishReason.Length) { LogProbs = [.. logProbs] };
    }

    /// <summary>Prescribes tokens 20 to 22 and ends at the fortieth.</summary>
    private sealed class Prescription : SequenceGuide
    {
        public List<int> Seen { get; } = [];

        public override GuideVerdict Observe(int token)
        {
            Seen.Add(token);
            return new GuideVerdict(Seen.Count == 40, Seen.Count == 20 ? [7, 8, 9] : null);
        }
    }
}
