using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models;

namespace Tessera.Cli.Commands;

/// <summary>Options that <c>chat</c> and <c>serve</c> share, and the engine that they describe.</summary>
internal sealed class ChatOptions
{
    public Argument<string> Model { get; } = new("model") { Description = "Folder, .gguf file or hf:org/name[/file.gguf][@revision] of a model with a tokenizer and a chat template." };

    public Option<string?> Thinking { get; } = ThinkingOption();

    public Option<bool> Invariant { get; } = new("--invariant")
    {
        Description = "Make a reply's bits independent of other requests; small batches are slower for it.",
    };

    public Option<bool> Eager { get; } = SharedOptions.Eager();

    public Option<int> Pages { get; } = new("--pages")
    {
        Description = "Pages of 64 positions for keys and values; 0 for as many as the running requests can need, within 1 GiB.",
        DefaultValueFactory = _ => 0,
    };

    public Option<string> DataType { get; } = SharedOptions.StorageType();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public IEnumerable<Option> All => [Thinking, Invariant, Eager, Pages, DataType, Device, Threads];

    /// <summary>Whether to think; null where nothing was said.</summary>
    public bool? ThinkingOf(ParseResult result) => result.GetValue(Thinking) is { } text ? text == "on" : null;

    /// <summary>Loads the model and starts its engine.</summary>
    public OpenChat Open(ParseResult result, int maxRunning, int mostRequests)
    {
        int threads = OptionChecks.Threads(result, Threads);
        int pages = OptionChecks.AtLeast(result, Pages, 0);
        var type = SharedOptions.ParseDataType(result.GetValue(DataType)!);
        var source = ModelSource.Open(result.GetValue(Model)!);
        var companions = ChatModel.Read(source.Folder, source.DisplayName);
        var device = SharedOptions.OpenServing(result.GetValue(Device)!, threads, type);
        Decoder? model = null;
        try
        {
            model = source.Load(type, device);
            var settings = new EngineSettings
            {
                CacheType = SharedOptions.CacheType(type),
                MaxRunning = maxRunning,

                // Every running sequence has its turn in every step.
                StepTokens = Math.Max(512, maxRunning),
                Pages = pages == 0 ? null : pages,
                Invariant = result.GetValue(Invariant),
                Eager = result.GetValue(Eager),
            };
            var host = new EngineHost(new BatchEngine(device, model, settings), mostRequests);
            return new OpenChat(device, model, host, new ChatEngine(companions, host) { DefaultThinking = ThinkingOf(result) });
        }
        catch
        {
            model?.Dispose();
            device.Dispose();
            throw;
        }
    }

    private static Option<string?> ThinkingOption()
    {
        var option = new Option<string?>("--thinking")
        {
            Description = "Whether to reason before answering, where a request does not say: on or off; left to the model's template if not given.",
        };
        option.AcceptOnlyFromAmong("on", "off");
        return option;
    }
}

/// <summary>A loaded model with its running engine.</summary>
internal sealed record OpenChat(Device Device, Decoder Model, EngineHost Host, ChatEngine Engine) : IDisposable
{
    public void Dispose()
    {
        Host.Dispose();
        Model.Dispose();
        Device.Dispose();
    }
}
