using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Tessera.Cli.Tests;

/// <summary>The server as a process of its own.</summary>
public sealed class ServeTests(TinyModel model)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_server_says_where_it_is_answers_and_ends_on_a_signal()
    {
        using var process = Start("--port", "0");
        string line = (await process.StandardOutput.ReadLineAsync().WaitAsync(Patience))!;
        Assert.Matches(@"^served at http://127\.0\.0\.1:\d+/ \(page\)", line);
        using var http = new HttpClient { BaseAddress = new Uri(line.Split(' ')[2]) };
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health")).StatusCode);
        Assert.Contains("\"served\"", await http.GetStringAsync("/v1/models"));
        Assert.Contains("<title>Tessera</title>", await http.GetStringAsync("/"));
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        using var patience = new CancellationTokenSource(Patience);
        var watch = Stopwatch.StartNew();
        await process.WaitForExitAsync(patience.Token);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"ending took {watch.Elapsed}");
        Assert.Equal(0, process.ExitCode);
        Assert.DoesNotContain("warning", await process.StandardError.ReadToEndAsync());
    }

    [Fact]
    public async Task A_port_in_use_is_one_sentence_and_a_failure()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var process = Start("--port", $"{port}");
        string error = await process.StandardError.ReadToEndAsync().WaitAsync(Patience);
        await process.WaitForExitAsync();
        Assert.Equal(1, process.ExitCode);
        Assert.Equal($"tessera: 127.0.0.1:{port} is in use by another program; choose another port with --port\n", error);
    }

    private Process Start(params string[] arguments)
    {
        string folder = model.PlainWithTemplate("served", "<s>{{ messages[0].content }}<|assistant|>");
        string program = Path.Combine(AppContext.BaseDirectory, "tessera");
        return Process.Start(new ProcessStartInfo(program, ["serve", folder, "--threads", "1", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }
}
