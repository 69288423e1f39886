namespace Tessera.Runs;

/// <summary>What a stage is about to compute, and who asks.</summary>
public sealed record RunStage
{
    /// <summary>Name of the stage, the folder's prefix: lower-case letters, digits and hyphens.</summary>
    public required string Name { get; init; }

    /// <summary>Version of the tool; recorded, not hashed.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>The command line as typed; recorded, not hashed.</summary>
    public required string Command { get; init; }

    /// <summary>Every setting that changes the result, by name, in canonical text.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Hashes of the inputs by name: of files by <see cref="ContentHash.OfFile"/>, of earlier stages by their hash.</summary>
    public IReadOnlyDictionary<string, string> Inputs { get; init; } = new Dictionary<string, string>();

    /// <summary>Identity of the result: hash of name, settings and inputs, 64 characters.</summary>
    public string Hash => ContentHash.OfNamed(
        Settings.Select(pair => KeyValuePair.Create("setting " + pair.Key, pair.Value))
            .Concat(Inputs.Select(pair => KeyValuePair.Create("input " + pair.Key, pair.Value)))
            .Append(KeyValuePair.Create("stage", Name)));
}
