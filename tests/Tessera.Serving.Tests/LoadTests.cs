using System.Diagnostics;
using System.Net.Http.Json;
using Tessera.Devices;

namespace Tessera.Serving.Tests;

/// <summary>Many clients for a while: no errors, no growth, all pages back.</summary>
[Trait("Category", "Slow")]
public sealed class LoadTests(ServedModel model)
{
    private const int Clients = 50;

    [Fact]
    public async Task Fifty_clients_for_two_minutes_see_no_error_and_leave_no_memory_behind()
    {
        var duration = TimeSpan.FromSeconds(
            int.TryParse(Environment.GetEnvironmentVariable("TESSERA_LOAD_SECONDS"), out int seconds) ? seconds : 120);
        using var handler = new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero, MaxConnectionsPerServer = 2 * Clients };
        using var http = new HttpClient(handler) { BaseAddress = model.Server.Address, Timeout = TimeSpan.FromMinutes(2) };

        // Connections, pools and compiled code are made once; they are no growth.
        await Run(http, duration / 6, new Counts());
        await model.AllPagesFree();
        var (startBytes, startArenas, startManaged) = Memory();
        var counts = new Counts();
        long before = model.Host.State.GeneratedTokens;
        var watch = Stopwatch.StartNew();
        await Run(http, duration, counts);
        await model.AllPagesFree();
        double elapsed = watch.Elapsed.TotalSeconds;
        var (endBytes, endArenas, endManaged) = Memory();
        TestContext.Current.TestOutputHelper!.WriteLine(FormattableString.Invariant(
            $"{Clients} clients, {elapsed:F0} s: {counts.Whole} whole replies, {counts.Cancelled} cancelled, {counts.Errors.Count} errors, {(model.Host.State.GeneratedTokens - before) / elapsed:F0} tokens/s, {model.Host.State.Preemptions} preemptions; working set {startBytes >> 20} -> {endBytes >> 20} MiB, managed heap {startManaged >> 20} -> {endManaged >> 20} MiB, arenas {startArenas} -> {endArenas} bytes, {model.Host.State.FreePages} of {model.Host.State.TotalPages} pages free"));
        Assert.Empty(counts.Errors);
        Assert.True(counts.Whole > Clients && counts.Cancelled > Clients, $"{counts.Whole} whole, {counts.Cancelled} cancelled");
        Assert.True(endArenas - startArenas < 8L << 20, $"arenas grew from {startArenas} to {endArenas} bytes");
        Assert.True(endBytes - startBytes < 64L << 20, $"the working set grew from {startBytes} to {endBytes} bytes");
        Assert.Null(model.Host.Failure);
    }

    private static async Task Run(HttpClient http, TimeSpan duration, Counts counts)
    {
        var end = DateTime.UtcNow + duration;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => Client(http, client, end, counts))));
    }

    private static async Task Client(HttpClient http, int client, DateTime end, Counts counts)
    {
        var random = new CounterRandom((ulong)client, 77);
        while (DateTime.UtcNow < end)
        {
            bool streams = random.Next(3) > 0;
            var body = Api.Ask(
                ("stream", streams), ("seed", random.Next(1000)), ("max_tokens", 1 + random.Next(120)), ("n", 1 + random.Next(2)));
            body["messages"]![0]!["content"] = new string('7', 1 + random.Next(400));
            using var cancellation = new CancellationTokenSource();
            bool cancels = random.Next(4) == 0;
            if (cancels)
            {
                cancellation.CancelAfter(random.Next(150));
            }

            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, Api.Chat) { Content = JsonContent.Create(body) };
                using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation.Token);
                string text = await response.Content.ReadAsStringAsync(cancellation.Token);
                bool isWhole = response.IsSuccessStatusCode && !text.Contains("\"error\"", StringComparison.Ordinal)
                    && (!streams || text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal));
                counts.Add(isWhole ? null : $"{(int)response.StatusCode}: {text}");
            }
            catch (OperationCanceledException) when (cancels)
            {
                counts.AddCancelled();
            }
            catch (HttpRequestException) when (cancels && cancellation.IsCancellationRequested)
            {
                counts.AddCancelled();
            }
            catch (Exception error)
            {
                counts.Add(error.ToString());
            }
        }
    }

    private static (long WorkingSet, long Arenas, long Managed) Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long managed = GC.GetTotalMemory(forceFullCollection: true);
        using var process = Process.GetCurrentProcess();
        return (process.WorkingSet64, Arena.LiveBytes, managed);
    }

    private sealed class Counts
    {
        public int Whole { get; private set; }

        public int Cancelled { get; private set; }

        public List<string> Errors { get; } = [];

        public void Add(string? error)
        {
            lock (Errors)
            {
                Whole += error is null ? 1 : 0;
                if (error is not null)
                {
                    Errors.Add(error);
                }
            }
        }

        public void AddCancelled()
        {
            lock (Errors)
            {
                Cancelled++;
            }
        }
    }
}
