using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tests;

namespace Tessera.Serving.Tests;

/// <summary>The bundled model, which knows no chat: only the form of its replies is looked at.</summary>
public sealed class BundledModelTests
{
    [Fact]
    public async Task A_seeded_reply_is_the_same_alone_and_among_others()
    {
        using var temporary = new TemporaryFolder();
        string folder = Directory.CreateDirectory(temporary.File("arithmetic")).FullName;
        foreach (string file in Directory.GetFiles(ServedModel.BundledModel))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        temporary.Write("arithmetic/generation_config.json", """{"do_sample": true, "temperature": 0.7, "top_p": 0.9}""");
        var refused = Assert.Throws<InvalidDataException>(() => ChatModel.Read(folder));
        Assert.Contains("chat_template.jinja", refused.Message, StringComparison.Ordinal);
        ServedModel.AddTemplate(folder);
        using var device = new CpuDevice(2);
        using var decoder = ModelFolder.Load(folder, DType.F32);
        using var host = new EngineHost(new BatchEngine(device, decoder, new EngineSettings { MaxRunning = 8, Invariant = true }));
        var chat = new ChatEngine(ChatModel.Read(folder), host);
        await using var server = await TesseraServer.StartAsync(chat, new ServerSettings { Port = 0 });
        using var http = new HttpClient { BaseAddress = server.Address };
        string alone = await Text(http, 1);
        string[] together = await Task.WhenAll(Enumerable.Range(1, 4).Select(seed => Text(http, seed)));
        Assert.Equal(alone, together[0]);
        Assert.True(together.Distinct().Count() > 2);

        // The file's settings hold where the request has none.
        Assert.Equal(alone, await Text(http, 1, ("temperature", 0.7), ("top_p", 0.9)));
        Assert.NotEqual(alone, await Text(http, 1, ("temperature", 3), ("top_p", 1)));
    }

    private static async Task<string> Text(HttpClient http, int seed, params (string, System.Text.Json.Nodes.JsonNode?)[] fields)
    {
        var reply = await Api.Good(http, Api.Ask([("seed", seed), ("max_tokens", 12), .. fields]));
        return reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
    }
}
