using System.CommandLine;
using Tessera.Inference;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>generate</c>.</summary>
internal sealed class GenerateOptions
{
    public Argument<string> Model { get; } = new("model") { Description = "Folder of the model, a .gguf file, hf:org/name[/file.gguf][@revision], or random:CONFIG.json." };

    public Option<string?> Prompt { get; } = new("--prompt") { Description = "Text to continue." };

    public Option<string?> Messages { get; } = new("--messages") { Description = "File with a conversation to answer: a JSON list of messages, or an object with one under messages." };

    public Option<string?> Thinking { get; } = ThinkingOption();

    public Option<string?> Ids { get; } = new("--ids") { Description = "File with a JSON list of ids, or one list a line; prints the new ids, one list a prompt." };

    public Option<int> MaxNewTokens { get; } = new("--max-new-tokens") { Description = "Most tokens to add.", DefaultValueFactory = _ => 256 };

    public Option<double> Temperature { get; } = new("--temperature") { Description = "0 takes the likeliest token.", DefaultValueFactory = _ => 0 };

    public Option<double> TopP { get; } = new("--top-p") { Description = "Draw from the likeliest tokens of this mass.", DefaultValueFactory = _ => 1 };

    public Option<int> TopK { get; } = new("--top-k") { Description = "Draw from this many likeliest tokens; 0 for all.", DefaultValueFactory = _ => 0 };

    public Option<bool> IgnoreEos { get; } = new("--ignore-eos") { Description = "Go on behind tokens that end a text." };

    public Option<string[]> Stop { get; } = new("--stop") { Description = "Texts that end the output; they are not part of it.", AllowMultipleArgumentsPerToken = true };

    public Option<ulong> Seed { get; } = SharedOptions.Seed();

    public Option<string> DataType { get; } = SharedOptions.StorageType();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<bool> Eager { get; } = SharedOptions.Eager();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public Option<bool> Json { get; } = SharedOptions.Json();

    public IEnumerable<Option> All =>
        [Prompt, Messages, Thinking, Ids, MaxNewTokens, Temperature, TopP, TopK, IgnoreEos, Stop, Seed, DataType, Device, Eager, Threads, Json];

    /// <summary>The options as settings; every number is checked.</summary>
    public GenerationSettings ToSettings(ParseResult result, IReadOnlyList<int> stopIds) => new()
    {
        MaxNewTokens = OptionChecks.AtLeast(result, MaxNewTokens, 0),
        Temperature = (float)OptionChecks.Between(result, Temperature, 0, 100),
        TopP = (float)OptionChecks.Between(result, TopP, 0, 1),
        TopK = OptionChecks.AtLeast(result, TopK, 0),
        Seed = result.GetValue(Seed),
        StopIds = result.GetValue(IgnoreEos) ? [] : stopIds,
    };

    private static Option<string?> ThinkingOption()
    {
        var option = new Option<string?>("--thinking") { Description = "With --messages: sets the reasoning switch, on or off." };
        option.AcceptOnlyFromAmong("on", "off");
        return option;
    }
}
