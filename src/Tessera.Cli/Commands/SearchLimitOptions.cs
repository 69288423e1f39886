using System.CommandLine;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;

namespace Tessera.Cli.Commands;

/// <summary>Options that say what may be chosen, the same in <c>compress</c> and <c>search</c>.</summary>
internal sealed class SearchLimitOptions
{
    public Option<string[]> Target { get; } = new("--target")
    {
        Description = "A limit: memory<=40GiB, kv<=50%, parameters<=60%, ttft<=500ms, decode>=1.5x, latency<=5s, throughput>=2x or >=900 "
            + "(generated tokens/s), total-throughput>=4700 (prompts' tokens too), attention-layers<=20, \"count(ffn:none)<=4\". May be repeated.",
    };

    public Option<string[]> Pin { get; } = new("--pin")
    {
        Description = "What layers keep: 0-3 (the parent's own blocks), attention:parent@0-7, \"kv2 ffn128@5\". May be repeated.",
    };

    public Option<string[]> Exclude { get; } = new("--exclude")
    {
        Description = "What is not chosen: attention:none@0, ffn:linear, \"none none\"; * at the end of a label stands for anything. May be repeated.",
    };

    public Option<string?> Loadable { get; } = Form();

    public IEnumerable<Option> All => [Target, Pin, Exclude, Loadable];

    /// <summary>The targets, or those that a file holds where none are given.</summary>
    public IReadOnlyList<Target> ToTargets(ParseResult result, IReadOnlyList<string> otherwise, string source) =>
        Texts(result, Target) is { Length: > 0 } given
            ? [.. given.Select(text => Puzzle.Targets.Target.Parse(text))]
            : [.. otherwise.Select(text => Puzzle.Targets.Target.Parse(text, $"{source}: targets:"))];

    /// <summary>The filter; pins and exclusions are those that a file holds where none are given.</summary>
    public VariantFilter ToFilter(ParseResult result, SearchTables? tables = null, string source = "") => new(
        Selectors(Texts(result, Pin), tables?.Pins ?? [], Pin.Name, $"{source}: pin:"),
        Selectors(Texts(result, Exclude), tables?.Exclusions ?? [], Exclude.Name, $"{source}: exclude:"),
        result.GetValue(Loadable) is { } form ? LoadableForm.Parse(form) : null);

    private static IReadOnlyList<VariantSelector> Selectors(
        string[] given, IReadOnlyList<string> otherwise, string option, string source) => given.Length > 0
            ? [.. given.Select(text => VariantSelector.Parse(text, option))]
            : [.. otherwise.Select(text => VariantSelector.Parse(text, source))];

    private static string[] Texts(ParseResult result, Option<string[]> option) => result.GetValue(option) ?? [];

    private static Option<string?> Form()
    {
        var option = new Option<string?>("--loadable")
        {
            Description = "Keep to what a form can hold that other software loads: llama (padded), gguf (llama.cpp) or vllm (DeciLM).",
        };
        option.AcceptOnlyFromAmong([.. LoadableForm.All.Select(form => form.Name)]);
        return option;
    }
}
