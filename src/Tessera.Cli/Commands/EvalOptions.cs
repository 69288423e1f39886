using System.CommandLine;
using System.Globalization;
using Tessera.Evaluation.Problems;
using Tessera.Inference;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>eval</c>.</summary>
internal sealed class EvalOptions
{
    public Argument<string[]> Models { get; } = new("model") { Description = "Folders, .gguf files or hf:org/name of one or several models; the first is compared with the others.", Arity = ArgumentArity.OneOrMore };

    public Option<string?> Tasks { get; } = new("--tasks") { Description = "Comma-separated tasks; all by default." };

    public Option<string?> Levels { get; } = new("--levels") { Description = "Comma-separated levels; all by default." };

    public Option<string> HardLevels { get; } = new("--hard-levels") { Description = "Levels that count as hard in comparisons.", DefaultValueFactory = _ => "3,4" };

    public Option<int> Count { get; } = new("--count") { Description = "Unseen problems.", DefaultValueFactory = _ => 2000 };

    public Option<string> Thinking { get; } = new("--thinking") { Description = "on, off, both, or plain for models without a chat template.", DefaultValueFactory = _ => "both" };

    public Option<int> Samples { get; } = new("--samples") { Description = "Samples a problem where tokens are drawn; greedy choices need one.", DefaultValueFactory = _ => 1 };

    public Option<double> Temperature { get; } = new("--temperature") { Description = "With reasoning on; 0 is greedy.", DefaultValueFactory = _ => 0.6 };

    public Option<double> TopP { get; } = new("--top-p") { Description = "With reasoning on.", DefaultValueFactory = _ => 0.95 };

    public Option<double> OffTemperature { get; } = new("--off-temperature") { Description = "With reasoning off and for plain prompts.", DefaultValueFactory = _ => 0 };

    public Option<int> MaxNewTokens { get; } = new("--max-new-tokens") { Description = "Most tokens of an answer, reasoning included.", DefaultValueFactory = _ => 256 };

    public Option<int?> ThinkingBudget { get; } = new("--thinking-budget") { Description = "Most tokens of reasoning; then it is closed and the answer follows." };

    public Option<string?> Output { get; } = new("--out") { Description = "Folder for every sample and the result; a killed evaluation goes on there." };

    public Option<bool> Invariant { get; } = new("--invariant") { Description = "Kernels whose sums do not depend on the batch." };

    public Option<bool> Eager { get; } = SharedOptions.Eager();

    public Option<ulong> Seed { get; } = SharedOptions.Seed();

    public Option<string> DataType { get; } = SharedOptions.StorageType();

    public Option<string> Device { get; } = SharedOptions.Device();

    public Option<int> Threads { get; } = SharedOptions.Threads();

    public Option<bool> Json { get; } = SharedOptions.Json();

    public IEnumerable<Option> All =>
    [
        Tasks, Levels, HardLevels, Count, Thinking, Samples, Temperature, TopP, OffTemperature, MaxNewTokens, ThinkingBudget, Output, Invariant, Eager, Seed,
        DataType, Device, Threads, Json,
    ];

    /// <summary>The modes asked for.</summary>
    public PromptMode[] Modes(ParseResult result) => result.GetValue(Thinking) switch
    {
        "both" => [PromptMode.On, PromptMode.Off],
        "on" => [PromptMode.On],
        "off" => [PromptMode.Off],
        "plain" => [PromptMode.Plain],
        var other => throw new ArgumentException($"--thinking {other}: expected on, off, both or plain"),
    };

    /// <summary>How tokens are chosen in a mode, and how often.</summary>
    public (GenerationSettings Settings, int Samples) Sampling(ParseResult result, PromptMode mode)
    {
        bool on = mode == PromptMode.On;
        var settings = new GenerationSettings
        {
            MaxNewTokens = OptionChecks.AtLeast(result, MaxNewTokens, 1),
            Temperature = (float)OptionChecks.NotNegative(result, on ? Temperature : OffTemperature),
            TopP = on ? (float)OptionChecks.Between(result, TopP, 1e-6, 1) : 1f,
            Seed = result.GetValue(Seed),
        };
        int samples = OptionChecks.AtLeast(result, Samples, 1);
        return (settings, settings.Temperature > 0 ? samples : 1);
    }

    /// <summary>The hard levels.</summary>
    public int[] Hard(ParseResult result) => [.. result.GetValue(HardLevels)!.Split(',').Select(text =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int level)
            ? level
            : throw new ArgumentException($"--hard-levels: '{text}' is not a level"))];

    /// <summary>Everything that decides the outcome besides the models, by name.</summary>
    public SortedDictionary<string, string> Protocol(ParseResult result)
    {
        Option[] irrelevant = [Output, Threads, Json];
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var option in All.Except(irrelevant))
        {
            object? value = result.GetResult(option)?.GetValueOrDefault<object?>();
            values[option.Name.TrimStart('-')] = Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty;
        }

        return values;
    }
}
