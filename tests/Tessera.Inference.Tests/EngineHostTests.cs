using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;

namespace Tessera.Inference.Tests;

public sealed class EngineHostTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly CpuDevice _device = new(1);
    private readonly Decoder _model = SmallModel.Create(SmallModel.Configuration());

    [Fact]
    public async Task Requests_from_many_threads_get_the_tokens_that_the_engine_alone_gives()
    {
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(i => SmallModel.Ids(1 + (i * 5 % 17), Vocabulary, (ulong)i))];
        using var generator = new Generator(_device, _model, new EngineSettings { Invariant = true });
        var expected = generator.Generate([.. prompts.Select(prompt => new GenerationRequest(prompt, Settings(prompt.Length)))]);
        using var host = Host(new EngineSettings { Invariant = true, MaxRunning = 5 });
        var results = await Task.WhenAll(prompts.Select(prompt => Task.Run(() => Collect(host, prompt, Settings(prompt.Length)))));
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(expected[i].Ids, results[i].Select(token => token.Token));
            Assert.Equal(FinishReason.Length, results[i][^1].Finish);
        }

        await AllFree(host);
        Assert.Equal(0, host.Requests);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Pages_of_a_request_are_free_when_it_is_cancelled_or_no_longer_read(bool byToken)
    {
        using var host = Host(new EngineSettings());
        using var source = new CancellationTokenSource();
        var other = Collect(host, [1, 2, 3], Settings(40));
        await using (var tokens = host.GenerateAsync([4, 5], Settings(60), new Slow(), source.Token).GetAsyncEnumerator())
        {
            Assert.True(await tokens.MoveNextAsync());
            Assert.Null(tokens.Current.Finish);
            if (byToken)
            {
                await source.CancelAsync();
                await Until(() => host.Requests <= 1);
            }
        }

        Assert.Equal(40, (await other).Count);
        await AllFree(host);
    }

    [Fact]
    public async Task A_failing_step_ends_every_request_with_its_error_and_further_ones_are_refused()
    {
        using var host = Host(new EngineSettings());
        var innocent = Collect(host, [1, 2], Settings(60), new Slow());
        await Until(() => host.State.GeneratedTokens > 0);
        var guilty = Collect(host, [3], Settings(60), new Broken());
        var error = await Assert.ThrowsAsync<EngineFailedException>(() => guilty);
        Assert.Contains("the guide broke", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EngineFailedException>(() => innocent);
        Assert.IsType<InvalidOperationException>(host.Failure);
        await Assert.ThrowsAsync<EngineFailedException>(() => Collect(host, [1], Settings(2)));
        Assert.Equal(0, host.Requests);
    }

    [Fact]
    public async Task An_unusable_prompt_ends_only_its_own_request()
    {
        using var host = Host(new EngineSettings());
        var error = await Assert.ThrowsAsync<ArgumentException>(() => Collect(host, [Vocabulary], Settings(2)));
        Assert.Contains("41", error.Message, StringComparison.Ordinal);
        Assert.Null(host.Failure);
        Assert.Equal(2, (await Collect(host, [1], Settings(2))).Count);
        Assert.Equal(0, host.Requests);
    }

    [Fact]
    public async Task More_requests_than_the_queue_takes_are_refused_until_one_has_ended()
    {
        using var host = Host(new EngineSettings { MaxRunning = 1 }, mostRequests: 2);
        var first = Collect(host, [1], Settings(30), new Slow());
        var second = Collect(host, [2], Settings(2));
        var error = await Assert.ThrowsAsync<EngineBusyException>(() => Collect(host, [3], Settings(2)));
        Assert.Contains("2 requests", error.Message, StringComparison.Ordinal);
        await Task.WhenAll(first, second);
        Assert.Equal(2, (await Collect(host, [3], Settings(2))).Count);
    }

    [Fact]
    public async Task Disposal_ends_what_runs_and_gives_back_all_memory()
    {
        int arenas = Arena.LiveArenas;
        var host = Host(new EngineSettings { MaxRunning = 1 });
        var running = Collect(host, [1, 2], Settings(60), new Slow());
        var waiting = Collect(host, [1, 2], Settings(60), new Slow());
        await Until(() => host.State.GeneratedTokens > 0);
        host.Dispose();
        host.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Collect(host, [1], Settings(1)));
        Assert.Equal(arenas, Arena.LiveArenas);
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static GenerationSettings Settings(int tokens) => new() { MaxNewTokens = tokens, Temperature = 0.8f, Seed = (ulong)tokens };

    private static async Task<List<TokenEvent>> Collect(
        EngineHost host, int[] prompt, GenerationSettings settings, SequenceGuide? guide = null)
    {
        var tokens = new List<TokenEvent>();
        await foreach (var token in host.GenerateAsync(prompt, settings, guide, CancellationToken.None))
        {
            tokens.Add(token);
        }

        return tokens;
    }

    private static Task AllFree(EngineHost host) => Until(() => host.State is var state && state.FreePages == state.TotalPages);

    private static async Task Until(Func<bool> holds)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!holds())
        {
            Assert.True(DateTime.UtcNow < deadline, "waited in vain");
            await Task.Delay(2);
        }
    }

    private EngineHost Host(EngineSettings settings, int mostRequests = 100) =>
        new(new BatchEngine(_device, _model, settings), mostRequests);

    /// <summary>Makes a request last, without deciding anything.</summary>
    private sealed class Slow : SequenceGuide
    {
        public override GuideVerdict Observe(int token)
        {
            Thread.Sleep(3);
            return default;
        }
    }

    private sealed class Broken : SequenceGuide
    {
        public override GuideVerdict Observe(int token) => throw new InvalidOperationException("the guide broke");
    }
}
