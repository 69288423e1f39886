using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.TestSupport;

[assembly: AssemblyFixture(typeof(Tessera.Serving.Tests.ServedModel))]

namespace Tessera.Serving.Tests;

/// <summary>A random model of one layer behind a real server, with the bundled tokenizer and the chat format of our own models.</summary>
public sealed class ServedModel : IAsyncLifetime
{
    public const string Name = "small";
    public const int Positions = 2048;

    private readonly TemporaryFolder _folder = new();
    private readonly CpuDevice _device = new(1);
    private Decoder _decoder = null!;

    public static string BundledModel => Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-4.8m");

    public EngineHost Host { get; private set; } = null!;

    public ChatEngine Engine { get; private set; } = null!;

    public TesseraServer Server { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    /// <summary>Puts a chat template beside a model's files.</summary>
    public static void AddTemplate(string folder) =>
        File.Copy(Path.Combine(AppContext.BaseDirectory, "chat_template.jinja"), Path.Combine(folder, "chat_template.jinja"));

    public async ValueTask InitializeAsync()
    {
        string folder = _folder.File(Name);
        using (var made = Decoder.Allocate(Shape, DType.F32))
        {
            ModelInitializer.Fill(made, 5);
            ModelFolder.Save(folder, made, DType.F32, BundledModel);
        }

        AddTemplate(folder);
        _decoder = ModelFolder.Load(folder, DType.F32);
        Host = new EngineHost(new BatchEngine(_device, _decoder, new EngineSettings { MaxRunning = 32, Invariant = true }));
        Engine = new ChatEngine(ChatModel.Read(folder), Host);
        Server = await TesseraServer.StartAsync(Engine, new ServerSettings { Port = 0 });
        Http = new HttpClient { BaseAddress = Server.Address };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        Host.Dispose();
        _decoder.Dispose();
        _device.Dispose();
        _folder.Dispose();
    }

    /// <summary>Waits until no request holds a page.</summary>
    public Task AllPagesFree() => Wait.Until(() => Host.State is var state && state.FreePages == state.TotalPages && Host.Requests == 0);

    private static ModelConfiguration Shape => new()
    {
        VocabularySize = 320,
        HiddenSize = 32,
        HeadCount = 4,
        HeadDim = 8,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10_000,
        MaxPositions = Positions,
        BosTokenId = 1,
        EosTokenIds = [2],
        Layers = [new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(64))],
    };
}

/// <summary>Waiting for what another thread does.</summary>
internal static class Wait
{
    public static async Task Until(Func<bool> holds, double seconds = 20)
    {
        var deadline = DateTime.UtcNow.AddSeconds(seconds);
        while (!holds())
        {
            Assert.True(DateTime.UtcNow < deadline, "waited in vain");
            await Task.Delay(2);
        }
    }
}
