using Tessera.Runs;
using Tessera.Training.Data.Blends;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Data.Blends;

/// <summary>One source as a blend file names it: exactly one of shards, text and tasks.</summary>
internal sealed record BlendSourcePlan
{
    public required string Name { get; init; }

    /// <summary>Folder of token shards, or null.</summary>
    public string? Shards { get; init; }

    /// <summary>Text files, or none.</summary>
    public IReadOnlyList<string> Text { get; init; } = [];

    /// <summary>Generated problems: all, or names; or null.</summary>
    public string? Tasks { get; init; }

    /// <summary>Their levels, or null for all.</summary>
    public string? Levels { get; init; }

    /// <summary>What decides its documents.</summary>
    /// <exception cref="InvalidDataException">A file of it is missing.</exception>
    public string Hash() => ContentHash.OfNamed(
        Text.Select((path, i) => KeyValuePair.Create(FormattableString.Invariant($"text {i}"), OfFile(path)))
            .Append(KeyValuePair.Create("shards", Shards is null ? "none" : OfFile(Path.Combine(Shards, ShardIndex.FileName))))
            .Append(KeyValuePair.Create("tasks", $"{Tasks}/{Levels}")));

    private string OfFile(string path) => File.Exists(path)
        ? ContentHash.OfFile(path)
        : throw new InvalidDataException($"{path}: no such file, which source '{Name}' of the blend needs");
}

/// <summary>A blend as a file describes it: sources, and what share of the tokens each has in each phase.</summary>
/// <param name="Sources">Sources.</param>
/// <param name="Phases">Phases.</param>
internal sealed record BlendPlan(IReadOnlyList<BlendSourcePlan> Sources, IReadOnlyList<BlendPhase> Phases)
{
    /// <summary>What decides the blend besides seed and tokenizer.</summary>
    public string Hash() => ContentHash.OfNamed(
        Sources.Select((source, i) => KeyValuePair.Create(FormattableString.Invariant($"source {i}"), source.Hash()))
            .Concat(Phases.Select((phase, i) => KeyValuePair.Create(
                FormattableString.Invariant($"phase {i}"), FormattableString.Invariant($"{phase.Until}: {string.Join(' ', phase.Weights.Select(weight => weight.ToString("R", System.Globalization.CultureInfo.InvariantCulture)))}")))));

    /// <summary>A folder of shards alone, or a blend file.</summary>
    /// <exception cref="InvalidDataException">It is neither; one sentence.</exception>
    public static BlendPlan Of(string path) => Directory.Exists(path)
        ? ShardFolder.IsNamed(path)
            ? new BlendPlan([new BlendSourcePlan { Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))), Shards = path }], [new BlendPhase(null, [1])])
            : throw new InvalidDataException($"{path}: no folder of token shards, {ShardIndex.FileName} is missing; data tokenize makes one")
        : BlendFile.Read(path);
}
