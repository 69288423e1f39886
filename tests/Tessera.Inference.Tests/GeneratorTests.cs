using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

public sealed class GeneratorTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly CpuDevice _device = new(1);
    private readonly Decoder _model = SmallModel.Create(SmallModel.Configuration());

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Greedy_tokens_are_those_of_recomputing_everything_for_every_token(int batch)
    {
        int[][] prompts = Prompts(batch);
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        var results = generator.Generate(prompts, new GenerationSettings { MaxNewTokens = 12 });
        for (int i = 0; i < batch; i++)
        {
            Assert.Equal(Naive(prompts[i], 12), results[i].Ids);
            Assert.Equal(FinishReason.Length, results[i].Reason);
        }
    }

    [Fact]
    public void Sequences_that_stop_early_leave_the_others_as_they_were()
    {
        int[][] prompts = Prompts(4);
        int[][] full = [.. prompts.Select(prompt => Naive(prompt, 10))];
        int stop = full[1][3];
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        var seen = prompts.Select(_ => new List<int>()).ToArray();
        var settings = new GenerationSettings { MaxNewTokens = 10, StopIds = [stop, 40] };
        var results = generator.Generate(
            [.. prompts.Select(prompt => new GenerationRequest(prompt, settings))], (sequence, item) =>
            {
                if (item.Finish != FinishReason.Stop)
                {
                    seen[sequence].Add(item.Token);
                }
            });
        for (int i = 0; i < prompts.Length; i++)
        {
            int end = Array.FindIndex(full[i], id => id == stop || id == 40);
            Assert.Equal(end < 0 ? full[i] : full[i][..end], results[i].Ids);
            Assert.Equal(end < 0 ? FinishReason.Length : FinishReason.Stop, results[i].Reason);
            Assert.Equal(end < 0 ? null : full[i][end], results[i].StopId);
            Assert.Equal(end < 0 ? 10 : end + 1, results[i].LogProbs.Length);
            Assert.Equal(results[i].Ids, seen[i]);
        }

        Assert.Equal(FinishReason.Stop, results[1].Reason);
    }

    [Fact]
    public void Drawn_tokens_depend_on_seed_place_and_position_but_not_on_what_else_is_in_the_batch()
    {
        int[][] prompts = Prompts(4);
        var settings = new GenerationSettings { MaxNewTokens = 9, Temperature = 0.9f, Seed = 11 };
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        var together = generator.Generate(prompts, settings);
        var pair = generator.Generate(prompts[..2], settings);
        int[][] exchanged = [prompts[0], prompts[3], prompts[2], prompts[1]];
        var mixed = generator.Generate(exchanged, settings);
        Assert.Equal(together[0].Ids, pair[0].Ids);
        Assert.Equal(together[1].Ids, pair[1].Ids);
        Assert.Equal(together[0].Ids, mixed[0].Ids);
        Assert.Equal(together[2].Ids, mixed[2].Ids);
        var otherSeed = generator.Generate(prompts, settings with { Seed = 12 });
        Assert.NotEqual(together.Select(t => string.Join(' ', t.Ids)), otherSeed.Select(t => string.Join(' ', t.Ids)));
        var twins = generator.Generate([prompts[0], prompts[0]], settings);
        Assert.NotEqual(twins[0].Ids, twins[1].Ids);
    }

    [Fact]
    public void Generation_ends_at_the_models_last_position()
    {
        int[] prompt = SmallModel.Ids(60, Vocabulary);
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        var result = generator.Generate([prompt, prompt[..3]], new GenerationSettings { MaxNewTokens = int.MaxValue });

        // Position 63 is the last that can be fed; the token behind it is still chosen.
        Assert.Equal(5, result[0].Ids.Length);
        Assert.Equal(62, result[1].Ids.Length);
        Assert.All(result, sequence => Assert.Equal(FinishReason.Length, sequence.Reason));
        Assert.Equal(Naive(prompt, 5), result[0].Ids);
    }

    [Fact]
    public void No_prompts_and_no_new_tokens_give_nothing()
    {
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        Assert.Empty(generator.Generate([], new GenerationSettings()));
        Assert.Empty(generator.Generate([[1, 2]], new GenerationSettings { MaxNewTokens = 0 })[0].Ids);
    }

    [Fact]
    public void Unusable_prompts_and_settings_are_refused_with_their_numbers()
    {
        using var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.F32 });
        AssertRefused(generator, [], new GenerationSettings(), "at least one token");
        AssertRefused(generator, new int[65], new GenerationSettings(), "65");
        AssertRefused(generator, [1, 41], new GenerationSettings(), "41");
        AssertRefused(generator, [-1], new GenerationSettings(), "-1");
        AssertRefused(generator, [1], new GenerationSettings { Temperature = float.NaN }, "Temperature is NaN");
        AssertRefused(generator, [1], new GenerationSettings { TopP = 0 }, "TopP is 0");
        AssertRefused(generator, [1], new GenerationSettings { TopP = 1.5f }, "TopP is 1.5");
        AssertRefused(generator, [1], new GenerationSettings { TopK = -1 }, "TopK is -1");
        AssertRefused(generator, [1], new GenerationSettings { MaxNewTokens = -1 }, "MaxNewTokens is -1");
    }

    [Fact]
    public void All_memory_is_given_back()
    {
        int arenas = Arena.LiveArenas;
        using (var generator = new Generator(_device, _model, new EngineSettings { CacheType = DType.BF16 }))
        {
            generator.Generate(Prompts(3), new GenerationSettings { MaxNewTokens = 3 });
            Assert.Throws<InvalidOperationException>(() => generator.Generate(
                [.. Prompts(3).Select(prompt => new GenerationRequest(prompt, new GenerationSettings { MaxNewTokens = 3 }))],
                (_, _) => throw new InvalidOperationException("caller")));
            Assert.Equal(generator.State.TotalPages, generator.State.FreePages);
            Assert.Equal(3, generator.Generate(Prompts(3), new GenerationSettings { MaxNewTokens = 3 })[2].Ids.Length);
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static int[][] Prompts(int count) =>
        [.. Enumerable.Range(0, count).Select(i => SmallModel.Ids(1 + (i * 7 % 16), Vocabulary, (ulong)(100 + i)))];

    private static void AssertRefused(Generator generator, int[] prompt, GenerationSettings settings, string part)
    {
        var error = Assert.Throws<ArgumentException>(() => generator.Generate([[1], prompt], settings));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    private int[] Naive(int[] prompt, int count)
    {
        var ids = prompt.ToList();
        for (int i = 0; i < count; i++)
        {
            float[] last = SmallModel.Logits(_device, _model, ids.ToArray())[^Vocabulary..];
            ids.Add(Array.IndexOf(last, last.Max()));
        }

        return [.. ids.Skip(prompt.Length)];
    }
}
