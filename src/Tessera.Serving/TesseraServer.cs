using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Tessera.Inference.Chat;
using Tessera.Serving.Page;
using Tessera.Serving.Protocol;

namespace Tessera.Serving;

/// <summary>An HTTP server in OpenAI's form over one model, with a page to chat on.</summary>
/// <remarks>Answers no other origin (no CORS) and, on loopback, no other host name.</remarks>
public sealed class TesseraServer : IAsyncDisposable
{
    private const int MostHeaderBytes = 32 * 1024;
    private readonly WebApplication _application;
    private readonly CancellationTokenSource _stopping;
    private readonly ServerSettings _settings;

    private TesseraServer(WebApplication application, CancellationTokenSource stopping, ServerSettings settings)
    {
        _application = application;
        _stopping = stopping;
        _settings = settings;
        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Address = new Uri(address);
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="engine">Gives the replies; not owned.</param>
    /// <param name="settings">Where to listen and what to take.</param>
    /// <param name="logs">Adds targets for logs, or null for none.</param>
    /// <exception cref="ArgumentException">The address is not acceptable.</exception>
    /// <exception cref="IOException">The port is in use or may not be used.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "The server returned owns both; they are disposed of where starting fails.")]
    public static async Task<TesseraServer> StartAsync(
        ChatEngine engine, ServerSettings settings, Action<ILoggingBuilder>? logs = null)
    {
        var stopping = new CancellationTokenSource();
        var application = Build(engine, settings, logs, stopping.Token);
        try
        {
            await application.StartAsync();
            return new TesseraServer(application, stopping, settings);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await application.DisposeAsync();
            stopping.Dispose();
            bool isUsed = (error as SocketException ?? error.GetBaseException() as SocketException)
                ?.SocketErrorCode == SocketError.AddressAlreadyInUse || error.InnerException?.GetType().Name == "AddressInUseException";
            throw new IOException(
                isUsed
                    ? $"{settings.Host}:{settings.Port} is in use by another program; choose another port with --port"
                    : $"cannot listen on {settings.Host}:{settings.Port}: {error.GetBaseException().Message}",
                error);
        }
    }

    /// <summary>Logs what an operator wants to see, a line each, to standard error: the output belongs to results.</summary>
    public static void LogToStandardError(ILoggingBuilder logs)
    {
        logs.SetMinimumLevel(LogLevel.Warning).AddFilter("Tessera", LogLevel.Information)
            // A start that fails is told by an exception, in one sentence.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None).AddSimpleConsole(options => options.SingleLine = true);
        logs.Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    /// <summary>Takes no more requests, lets those that run end for a moment, and cancels the rest.</summary>
    public async Task StopAsync()
    {
        _stopping.CancelAfter(_settings.StopGrace);
        await _application.StopAsync();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _application.DisposeAsync();
        _stopping.Dispose();
    }

    private static WebApplication Build(
        ChatEngine engine, ServerSettings settings, Action<ILoggingBuilder>? logs, CancellationToken stopping)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;

            // Beyond our own limit, whose answer would not reach a sender that is cut off in the middle.
            options.Limits.MaxRequestBodySize = settings.MostBodyBytes * 16;
            options.Limits.MaxRequestHeadersTotalSize = MostHeaderBytes;
            options.Listen(settings.Address, settings.Port);
        });
        builder.Services.AddSingleton<IHostLifetime, CallersLifetime>();

        // Streams that are cancelled after the grace still have to say so.
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = settings.StopGrace + TimeSpan.FromSeconds(2));
        logs?.Invoke(builder.Logging);
        var application = builder.Build();
        var log = application.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Tessera.Serving");
        Map(application, new Endpoints(engine, settings.MostBodyBytes, log, stopping), new AccessRules(settings));
        return application;
    }

    private static void Map(WebApplication application, Endpoints endpoints, AccessRules access) => application.Run(async context =>
    {
        try
        {
            access.Check(context.Request);
            await Handler(context.Request, endpoints)(context);
        }
        catch (Exception error)
        {
            await endpoints.FailAsync(context, error);
        }
    });

    private static RequestDelegate Handler(HttpRequest request, Endpoints endpoints)
    {
        (string method, RequestDelegate handler) = request.Path.Value switch
        {
            "/v1/chat/completions" => (HttpMethods.Post, (RequestDelegate)endpoints.ChatAsync),
            "/v1/completions" => (HttpMethods.Post, endpoints.CompleteAsync),
            "/v1/models" => (HttpMethods.Get, endpoints.ModelsAsync),
            "/health" => (HttpMethods.Get, endpoints.HealthAsync),
            "/" => (HttpMethods.Get, ChatPage.WriteAsync),
            _ => throw new ApiException(StatusCodes.Status404NotFound, $"there is nothing at {request.Path}", code: "not_found"),
        };
        return HttpMethods.Equals(request.Method, method)
            ? handler
            : throw new ApiException(
                StatusCodes.Status405MethodNotAllowed, $"{request.Path} takes {method}, not {request.Method}", code: "method_not_allowed");
    }

    /// <summary>Leaves signals to the program around the server.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
