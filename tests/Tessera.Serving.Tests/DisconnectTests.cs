using System.Net.Http.Json;

namespace Tessera.Serving.Tests;

public sealed class DisconnectTests(ServedModel model)
{
    private const int Tokens = 2000;

    [Fact]
    public async Task A_client_that_goes_away_gives_its_pages_back_at_once()
    {
        for (int i = 0; i < 8; i++)
        {
            long before = model.Host.State.GeneratedTokens;

            // Without this the client reads on for two seconds, in the hope of using the connection again.
            using var handler = new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero };
            using var client = new HttpClient(handler) { BaseAddress = model.Server.Address };
            var body = Api.Ask(("stream", true), ("max_tokens", Tokens), ("ignore_eos", true), ("n", 4));
            using var request = new HttpRequestMessage(HttpMethod.Post, Api.Chat) { Content = JsonContent.Create(body) };
            using (var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
            {
                using var stream = await response.Content.ReadAsStreamAsync();
                await stream.ReadExactlyAsync(new byte[200]);
                Assert.NotEqual(model.Host.State.TotalPages, model.Host.State.FreePages);
            }

            await model.AllPagesFree();
            long generated = model.Host.State.GeneratedTokens - before;
            Assert.True(generated < 4 * Tokens, $"all {generated} tokens were generated");
        }
    }

    [Fact]
    public async Task A_client_that_does_not_stream_is_missed_too()
    {
        using var client = new HttpClient { BaseAddress = model.Server.Address };
        using var cancellation = new CancellationTokenSource();
        var asking = client.PostAsJsonAsync(Api.Chat, Api.Ask(("max_tokens", Tokens), ("ignore_eos", true), ("n", 16)), cancellation.Token);
        await Wait.Until(() => model.Host.Requests == 16);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await model.AllPagesFree();
    }
}
