using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Tessera.Serving.Tests;

public sealed class AccessTests(ServedModel model)
{
    [Fact]
    public async Task A_key_is_asked_for_everywhere_but_health_and_the_page()
    {
        await using var server = await Scripted.Start(model, _ => "1", settings: new ServerSettings { Port = 0, ApiKey = "secret-🔑" });
        foreach (string? header in (string?[])[null, "Bearer", "Bearer ", "Bearer secret", "Bearer secret-🔑x", "Basic secret-🔑"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            if (header is not null)
            {
                request.Headers.TryAddWithoutValidation("Authorization", header);
            }

            using var client = new HttpClient(Utf8Headers()) { BaseAddress = server.Server.Address };
            using var response = await client.SendAsync(request);
            Assert.Equal("invalid_api_key", (await Api.Error(response, 401)).GetProperty("code").GetString());
        }

        await Api.Refused(server.Http, 401, "{}");
        foreach (string open in (string[])["/health", "/"])
        {
            using var response = await server.Http.GetAsync(open);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        using var good = new HttpClient(Utf8Headers()) { BaseAddress = server.Server.Address };
        good.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", "Bearer secret-🔑");
        await Api.Good(good, Api.Ask());
    }

    [Fact]
    public async Task On_loopback_another_host_name_is_refused()
    {
        foreach (var (host, status) in ((string, int)[])[("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost:1", 200), ("[::1]", 200)])
        {
            await Check(host, status);
        }

        async Task Check(string host, int status)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            request.Headers.Host = host;
            using var response = await model.Http.SendAsync(request);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task No_other_origin_is_allowed()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, Api.Chat);
        request.Headers.Add("Origin", "https://evil.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        using var response = await model.Http.SendAsync(request);
        Assert.False(response.IsSuccessStatusCode);
        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_port_in_use_and_a_bad_address_are_one_sentence()
    {
        int port = model.Server.Address.Port;
        var error = await Assert.ThrowsAsync<IOException>(
            () => TesseraServer.StartAsync(model.Engine, new ServerSettings { Port = port }));
        Assert.Equal($"127.0.0.1:{port} is in use by another program; choose another port with --port", error.Message);
        var bad = await Assert.ThrowsAsync<ArgumentException>(
            () => TesseraServer.StartAsync(model.Engine, new ServerSettings { Host = "nowhere" }));
        Assert.Contains("'nowhere'", bad.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", null, false)]
    [InlineData("localhost", null, false)]
    [InlineData("::1", null, false)]
    [InlineData("0.0.0.0", null, true)]
    [InlineData("0.0.0.0", "key", false)]
    [InlineData("10.1.2.3", null, true)]
    public void Who_opens_a_server_to_strangers_is_warned(string host, string? key, bool warns) =>
        Assert.Equal(warns, new ServerSettings { Host = host, ApiKey = key }.Warning is not null);

    [Fact]
    public async Task Ignored_fields_are_logged_on_one_line()
    {
        using var logs = new Lines();
        var (chat, _) = ScriptedEngine.Create(model, _ => "1", TimeSpan.Zero);
        await using var server = await TesseraServer.StartAsync(chat, new ServerSettings { Port = 0 }, builder => builder.AddProvider(logs));
        using var http = new HttpClient { BaseAddress = server.Address };
        await Api.Good(http, Api.Ask(("best_guess", 1), ("two\nlines", 2)));
        string line = Assert.Single(logs.Written, line => line.Contains("ignored", StringComparison.Ordinal));
        Assert.Equal("ignored fields of a request: best_guess, two lines", line);
    }

    [Fact]
    public async Task A_stopping_server_lets_short_replies_end_and_tells_long_ones()
    {
        var settings = new ServerSettings { Port = 0, StopGrace = TimeSpan.FromMilliseconds(400) };
        await using var server = await Scripted.Start(
            model, prompt => prompt.Contains("long", StringComparison.Ordinal) ? new string('7', 4000) : "1234567890", 10, settings);
        var longBody = Api.Ask(("stream", true));
        longBody["messages"]![0]!["content"] = "long";
        var endless = Api.Events(server.Http, longBody);
        var brief = Api.Good(server.Http, Api.Ask());
        await Task.Delay(60);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await server.Server.StopAsync();
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(3), $"stopping took {watch.Elapsed}");
        Assert.Equal("1234567890", (await brief).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        var events = await endless;
        Assert.Contains("server_stopping", events[^2], StringComparison.Ordinal);
        Assert.Equal("[DONE]", events[^1]);
        Assert.Equal(1, server.Engine.Cancelled);
    }

    private static SocketsHttpHandler Utf8Headers() => new() { RequestHeaderEncodingSelector = (_, _) => System.Text.Encoding.UTF8 };

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public List<string> Written { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (Written)
            {
                Written.Add(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
