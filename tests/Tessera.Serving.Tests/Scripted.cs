namespace Tessera.Serving.Tests;

/// <summary>A server over an engine that says what it was told to say.</summary>
internal sealed class Scripted(TesseraServer server, ScriptedEngine engine) : IAsyncDisposable
{
    public ScriptedEngine Engine => engine;

    public TesseraServer Server => server;

    public HttpClient Http { get; } = new() { BaseAddress = server.Address };

    public static async Task<Scripted> Start(
        ServedModel model, Func<string, string> script, double milliseconds = 0, ServerSettings? settings = null)
    {
        var (chat, engine) = ScriptedEngine.Create(model, script, TimeSpan.FromMilliseconds(milliseconds));
        return new Scripted(await TesseraServer.StartAsync(chat, settings ?? new ServerSettings { Port = 0 }), engine);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await server.DisposeAsync();
    }
}
