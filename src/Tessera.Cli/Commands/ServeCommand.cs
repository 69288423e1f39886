using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Tessera.Serving;

namespace Tessera.Cli.Commands;

/// <summary><c>serve</c>: a model over HTTP in OpenAI's form, and a page to chat on.</summary>
internal static class ServeCommand
{
    private const string KeyVariable = "TESSERA_API_KEY";

    public static Command Create()
    {
        var shared = new ChatOptions();
        var host = new Option<string>("--host")
        {
            Description = "Address to listen on; any other than loopback lets other machines in.",
            DefaultValueFactory = _ => "127.0.0.1",
        };
        var port = new Option<int>("--port") { Description = "Port; 0 for a free one.", DefaultValueFactory = _ => 8080 };
        var key = new Option<string?>("--api-key")
        {
            Description = $"What clients have to send as bearer token; better in {KeyVariable}, which other users of the machine cannot read.",
        };
        var running = new Option<int>("--max-running") { Description = "Requests in one step.", DefaultValueFactory = _ => 64 };
        var waiting = new Option<int>("--max-requests") { Description = "Requests that run and wait at one time.", DefaultValueFactory = _ => 1024 };
        var command = new Command("serve", "Serve a model over HTTP in OpenAI's form, with a page to chat on.")
        {
            shared.Model, host, port, key, running, waiting,
        };
        foreach (var option in shared.All)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            var settings = new ServerSettings
            {
                Host = result.GetValue(host)!,
                Port = result.GetValue(port) is >= 0 and <= ushort.MaxValue and var number
                    ? number
                    : throw new ArgumentException($"--port {result.GetValue(port)}: expected 0 to 65535"),
                ApiKey = Key(result.GetValue(key)),
            };

            // Before the model is loaded: a wrong address should not take a minute to be found.
            string? warning = settings.Warning;
            var open = shared.Open(
                result, OptionChecks.AtLeast(result, running, 1), OptionChecks.AtLeast(result, waiting, 1));
            Serve(open, settings, warning).GetAwaiter().GetResult();
        });
        return command;
    }

    private static string? Key(string? option)
    {
        string? key = option ?? Environment.GetEnvironmentVariable(KeyVariable);
        return key is null || key.Trim() is { Length: > 0 } ? key?.Trim() : throw new ArgumentException("--api-key: the key is empty");
    }

    [SuppressMessage("Performance", "CA1849", Justification = "Three lines to a terminal, whose writers block either way.")]
    private static async Task Serve(OpenChat open, ServerSettings settings, string? warning)
    {
        using var owned = open;
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        await using var server = await TesseraServer.StartAsync(
            open.Engine, settings, TesseraServer.LogToStandardError);
        if (warning is not null)
        {
            Console.Error.WriteLine(warning);
        }

        Console.WriteLine($"{open.Engine.Model.Name} at {server.Address} (page), {server.Address}v1 (API); Ctrl-C stops");
        await stop.Task;
        Console.Error.WriteLine("stopping");
        await server.StopAsync();

        void Stop(PosixSignalContext context)
        {
            // A second signal ends the program at once.
            context.Cancel = stop.TrySetResult();
        }
    }
}
